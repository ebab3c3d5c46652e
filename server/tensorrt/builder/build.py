"""One build of an engine, with whichever TensorRT there is."""

import argparse
import threading
import time
from typing import Any

from .errors import BuildError, Cancelled, OutOfMemory
from .libraries import describe, free_gpu_memory, load_module
from .network import layers, tensors
from .output import log, write
from .profiles import profiles
from .progress import READING, WRITING, Progress, Report

MIB = 2**20


class Build:
    """One build of an engine; `run` does it, `cancel` ends it."""

    def __init__(self, options: argparse.Namespace, report: Report) -> None:
        self._options = options
        self._report = report
        self._cancelled = threading.Event()
        self._errors: list[str] = []
        self._kept: list[Any] = []  # TensorRT uses these until the build is over, and does not hold them itself

    def cancel(self) -> None:
        """Ask TensorRT to stop at its next step."""
        self._cancelled.set()

    def run(self) -> dict[str, Any]:
        """Build the engine and write it to `options.output`.

        Returns:
            The engine's description: versions, tensors, profiles, layers, seconds.

        Raises:
            OutOfMemory: the GPU's memory did not suffice.
            Cancelled: `cancel` was called.
            BuildError: the ONNX file cannot be read or compiled.
            OSError: the engine cannot be written.
        """
        began = time.monotonic()
        trt = load_module()
        logger = _logger(trt, self._errors)
        self._report(0.0, "reading the ONNX file")
        builder = trt.Builder(logger)
        if builder is None:
            raise self._failure("TensorRT cannot start a builder")
        network = self._parse(trt, builder, logger)  # its weights lie in the parser's memory
        config = self._config(trt, builder, network)
        silent = getattr(config, "progress_monitor", None) is None  # TensorRT 8.6
        self._report(READING, "building; this TensorRT tells no progress" if silent else "building")
        plan = builder.build_serialized_network(network, config)
        if plan is None:
            raise self._failure("TensorRT built no engine")
        self._report(WRITING, "writing the engine")
        self._save_timings(trt, config)
        write(self._options.output, memoryview(plan))
        return {
            **describe(),
            "precision": self._options.precision,
            "optimization_level": self._options.level,
            "profiles": profiles(self._options.max_batch),
            "tensors": tensors(trt, network),
            "layers": layers(network),
            "seconds": round(time.monotonic() - began, 2),
        }

    def _parse(self, trt: Any, builder: Any, logger: Any) -> Any:
        flags = trt.NetworkDefinitionCreationFlag
        # From TensorRT 10 on a network can keep the types of its ONNX file, in 11 it always does; 8.6 chooses types by
        # itself, and has to be told that the batch is a dimension.
        flag = next(
            (getattr(flags, name) for name in ("STRONGLY_TYPED", "EXPLICIT_BATCH") if hasattr(flags, name)), None
        )
        network = builder.create_network(0 if flag is None else 1 << int(flag))
        parser = trt.OnnxParser(network, logger)
        self._kept.append(parser)
        if not parser.parse_from_file(str(self._options.onnx)):
            problems = "; ".join(str(parser.get_error(index)) for index in range(parser.num_errors))
            raise BuildError(f"{self._options.onnx}: TensorRT {trt.__version__} cannot read it: {problems}")
        if network.num_inputs != 1 or network.get_input(0).shape[0] != -1:
            raise BuildError(f"{self._options.onnx}: expected one input with a dynamic batch; see `bakeoff export`")
        return network

    def _config(self, trt: Any, builder: Any, network: Any) -> Any:
        config = builder.create_builder_config()
        config.builder_optimization_level = self._options.level
        image = network.get_input(0)
        for profile in profiles(self._options.max_batch):
            shapes = builder.create_optimization_profile()
            shapes.set_shape(image.name, *[(batch, *tuple(image.shape)[1:]) for batch in profile])
            config.add_optimization_profile(shapes)
        if self._options.precision == "fp32":
            config.clear_flag(trt.BuilderFlag.TF32)  # on by default; FP32 is to mean FP32 on every backend
        elif self._options.precision == "fp16" and not _strongly_typed(trt) and hasattr(trt.BuilderFlag, "FP16"):
            config.set_flag(trt.BuilderFlag.FP16)
        free = free_gpu_memory()
        if free:
            workspace = int(free * self._options.workspace_share)
            config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, workspace)
            log(f"workspace: {workspace // MIB} MiB of {free // MIB} MiB free")
        if self._options.timing_cache and not _is_rtx(trt):  # TensorRT-RTX times nothing and has none
            stored = self._options.timing_cache.read_bytes() if self._options.timing_cache.exists() else b""
            cache = config.create_timing_cache(stored) or config.create_timing_cache(b"")  # a damaged one is made anew
            config.set_timing_cache(cache, False)
            self._kept.append(cache)
        if hasattr(trt, "IProgressMonitor"):
            monitor = _monitor(trt, Progress(self._report), self._cancelled)
            config.progress_monitor = monitor
            self._kept.append(monitor)
        return config

    def _save_timings(self, trt: Any, config: Any) -> None:
        if self._options.timing_cache and not _is_rtx(trt):
            write(self._options.timing_cache, memoryview(config.get_timing_cache().serialize()))

    def _failure(self, summary: str) -> BuildError:
        if self._cancelled.is_set():
            return Cancelled("the build was cancelled")
        reason = f"{summary}: {self._errors[-1] if self._errors else 'it logged no error'}"
        words = " ".join(self._errors).lower().replace("_", "").replace(" ", "")
        starved = "outofmemory" in words or "insufficientmemory" in words or "memoryallocation" in words
        return OutOfMemory(reason) if starved else BuildError(reason)


def _strongly_typed(trt: Any) -> bool:
    return hasattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED")


def _is_rtx(trt: Any) -> bool:
    return "rtx" in trt.__name__


def _logger(trt: Any, errors: list[str]) -> Any:
    """Return a TensorRT logger that writes to standard error, and keeps the errors."""

    class Logger(trt.ILogger):  # type: ignore[misc]  # the module is known at run time only
        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, severity: Any, message: str) -> None:
            if int(severity) <= int(trt.ILogger.Severity.ERROR):
                errors.append(message)
            if int(severity) <= int(trt.ILogger.Severity.INFO):
                log(f"{severity.name}: {message}")

    return Logger()


def _monitor(trt: Any, progress: Progress, cancelled: threading.Event) -> Any:
    """Return a TensorRT progress monitor; TensorRT may call it from several threads."""

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            progress.started(phase_name, parent_phase, num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            progress.stepped(phase_name, step)
            return not cancelled.is_set()

        def phase_finish(self, phase_name: str) -> None:
            progress.finished(phase_name)

    return Monitor()
