"""Builds a TensorRT engine from an ONNX file: `python server/tensorrt/builder.py model.onnx --output model.plan`.

It runs with TensorRT 8.6, 10, 11 and TensorRT-RTX, and by itself, in whatever Python carries one of them: Python 3.10,
the standard library, the TensorRT module and `cuda.bindings` are all it uses.

Standard output is one JSON object a line: `{"progress": 0..1, "phase": str}` while it works, `{"engine": {...}}` at the
end. TensorRT's own log goes to standard error. SIGTERM ends the build; a half-built engine is never left behind.
"""

import argparse
import contextlib
import importlib
import json
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

MODULES = ("tensorrt", "tensorrt_bindings", "tensorrt_rtx", "tensorrt_rtx_bindings")
"""The names that TensorRT's wheels give their module, in the order of preference."""

TUNED_FOR = (8, 64)
"""Batch sizes that the optimization profiles are tuned for; docs/tensorrt.md says why these."""

OUT_OF_MEMORY_STATUS = 3
CANCELLED_STATUS = 128 + signal.SIGTERM

CANCEL_GRACE_S = 1.0
"""How long TensorRT may take to notice a cancellation; without a progress monitor it never does."""

EMIT_INTERVAL_S = 0.1
READING, WRITING = 0.02, 0.98
"""Progress at which TensorRT takes over, and at which it hands the plan back."""

MIB = 2**20

Profile = tuple[int, int, int]
"""The smallest, the tuned and the largest batch of an optimization profile."""

Report = Callable[[float, str], None]


class BuildError(RuntimeError):
    """No engine could be built; the message says why."""


class OutOfMemory(BuildError):
    """The GPU's memory did not suffice."""


class Cancelled(BuildError):
    """Somebody asked for the end of the build."""


def profiles(largest: int) -> list[Profile]:
    """Return the optimization profiles for batches of 1 to `largest`, one for each size to tune for.

    Every profile takes every batch: Triton chooses the one tuned for the nearest size, and captures each of its CUDA
    graphs once a profile.
    """
    return [(1, tuned, largest) for tuned in sorted({min(size, largest) for size in TUNED_FOR})]


def load_module() -> Any:
    """Import TensorRT under whichever name it has.

    Raises:
        BuildError: there is none, or none can be loaded.
    """
    problems = []
    for name in MODULES:
        try:
            return importlib.import_module(name)
        except (ImportError, OSError) as error:
            problems.append(f"{name}: {error}")
    raise BuildError(f"no TensorRT module can be imported ({'; '.join(problems)}); install tensorrt")


def describe() -> dict[str, Any]:
    """Return what an engine built here depends on: `module`, `version`, `gpu`, `compute_capability`, `cuda_problem`.

    `gpu` and `compute_capability` are None without a usable GPU, and `cuda_problem` then says why.

    Raises:
        BuildError: TensorRT cannot be imported.
    """
    module = load_module()
    found: dict[str, Any] = {"module": module.__name__, "version": module.__version__}
    problem = _cuda_problem()
    if problem:
        return {**found, "gpu": None, "compute_capability": None, "cuda_problem": problem}
    from cuda.bindings import runtime

    _, properties = runtime.cudaGetDeviceProperties(0)
    capability = f"{properties.major}.{properties.minor}"
    return {
        **found,
        "gpu": properties.name.decode().rstrip("\0"),
        "compute_capability": capability,
        "cuda_problem": None,
    }


def _cuda_problem() -> str | None:
    """Return why CUDA cannot be used here, or None."""
    try:
        from cuda.bindings import runtime
    except ImportError as error:
        return f"cuda.bindings cannot be imported ({error}); install cuda-bindings"
    _, supported = runtime.cudaDriverGetVersion()
    _, needed = runtime.cudaRuntimeGetVersion()
    status, count = runtime.cudaGetDeviceCount()
    if status == runtime.cudaError_t.cudaErrorInsufficientDriver and supported:
        return (
            f"the NVIDIA driver supports CUDA {_cuda_version(supported)} at most, and CUDA {_cuda_version(needed)} is "
            "needed; update the driver"
        )
    if not supported:
        return "there is no NVIDIA driver"
    if status != runtime.cudaError_t.cudaSuccess or not count:
        return f"CUDA finds no usable GPU ({status.name})"
    return None


def _cuda_version(number: int) -> str:
    return f"{number // 1000}.{number % 1000 // 10}"


class Progress:
    """Turns TensorRT's nested phases into one number that never falls, and the phase to show for it.

    TensorRT tells how many steps a phase has, not how long each takes. Nearly all of the time goes into the phase of
    tuning kernels, so that phase gets nearly all of the range.
    """

    TUNING = "from subgraph"
    TUNING_SHARE = 0.9
    SHOWN_DEPTH = 3

    def __init__(self, report: Report) -> None:
        self._report = report
        self._lock = threading.Lock()
        self._phases: dict[str, _Phase] = {}
        self._roots = _Phase(1)
        self._tuned = 0.0
        self._fraction = 0.0
        self._emitted = 0.0

    def started(self, name: str, parent: str | None, steps: int) -> None:
        """Note a phase of `steps` steps within the phase `parent`."""
        with self._lock:
            above = self._phases.get(parent or "", self._roots)
            self._phases[name] = above.begin(steps)
            self._emit()

    def stepped(self, name: str, step: int) -> None:
        """Note that a phase has done its step number `step`, counted from 0."""
        with self._lock:
            if name in self._phases:
                self._phases[name].stepped(step)
                self._emit()

    def finished(self, name: str) -> None:
        """Note the end of a phase, with or without all of its steps."""
        with self._lock:
            phase = self._phases.pop(name, None)
            if phase is not None:
                phase.finished()
                self._emit()

    def _emit(self) -> None:
        tuning = [phase for name, phase in self._phases.items() if self.TUNING in name.lower()]
        self._tuned = max([self._tuned, *(phase.fraction() for phase in tuning)])
        fraction = (1 - self.TUNING_SHARE) * self._roots.fraction() + self.TUNING_SHARE * self._tuned
        self._fraction = max(self._fraction, fraction)
        now = time.monotonic()
        if now - self._emitted >= EMIT_INTERVAL_S:
            self._emitted = now
            shown = list(self._phases)[: self.SHOWN_DEPTH]
            self._report(READING + (WRITING - READING) * self._fraction, shown[-1] if shown else "building")


class _Phase:
    """A phase of the builder: how many of its steps are done, and the phases within the present one.

    How many phases a step holds is not known before it ends, so each takes half of what is left of it.
    """

    def __init__(self, steps: int, parent: "_Phase | None" = None) -> None:
        self._steps = max(steps, 1)
        self._parent = parent
        self._done = 0
        self._within = 0.0
        self._child: _Phase | None = None

    def begin(self, steps: int) -> "_Phase":
        self._child = _Phase(steps, self)
        return self._child

    def stepped(self, step: int) -> None:
        self._done, self._within, self._child = max(self._done, step + 1), 0.0, None

    def finished(self) -> None:
        if self._parent is not None and self._parent._child is self:
            self._parent._within += (1 - self._parent._within) / 2
            self._parent._child = None

    def fraction(self) -> float:
        """Return how much of the phase is done, 0 to 1."""
        within = self._within
        if self._child is not None:
            within += (1 - within) / 2 * self._child.fraction()
        return min(1.0, (self._done + within) / self._steps)


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
        _write(self._options.output, memoryview(plan))
        return {
            **describe(),
            "precision": self._options.precision,
            "optimization_level": self._options.level,
            "profiles": profiles(self._options.max_batch),
            "tensors": _tensors(trt, network),
            "layers": _layers(network),
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
            _log(f"workspace: {workspace // MIB} MiB of {free // MIB} MiB free")
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
            _write(self._options.timing_cache, memoryview(config.get_timing_cache().serialize()))

    def _failure(self, summary: str) -> BuildError:
        if self._cancelled.is_set():
            return Cancelled("the build was cancelled")
        reason = f"{summary}: {self._errors[-1] if self._errors else 'it logged no error'}"
        words = " ".join(self._errors).lower().replace("_", "").replace(" ", "")
        starved = "outofmemory" in words or "insufficientmemory" in words or "memoryallocation" in words
        return OutOfMemory(reason) if starved else BuildError(reason)


def free_gpu_memory() -> int:
    """Return the bytes free on the first GPU; 0 without one."""
    if _cuda_problem():
        return 0
    from cuda.bindings import runtime

    status, free, _ = runtime.cudaMemGetInfo()
    return int(free) if status == runtime.cudaError_t.cudaSuccess else 0


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
                _log(f"{severity.name}: {message}")

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


def _tensors(trt: Any, network: Any) -> list[dict[str, Any]]:
    inputs = [("input", network.get_input(index)) for index in range(network.num_inputs)]
    outputs = [("output", network.get_output(index)) for index in range(network.num_outputs)]
    return [
        {"name": tensor.name, "mode": mode, "type": tensor.dtype.name, "shape": list(tensor.shape)}
        for mode, tensor in inputs + outputs
    ]


def _layers(network: Any) -> list[dict[str, Any]]:
    """Return the network's layers by kind and type, before TensorRT fuses them; `bytes` counts their constants."""
    counts: Counter[tuple[str, str]] = Counter()
    sizes: Counter[tuple[str, str]] = Counter()
    for index in range(network.num_layers):
        layer = network.get_layer(index)
        tensor = layer.get_output(0)
        if tensor is None:
            continue
        kind = (layer.type.name, tensor.dtype.name)
        counts[kind] += 1
        if layer.type.name == "CONSTANT":
            sizes[kind] += tensor.dtype.itemsize * _volume(tensor.shape)
    return [
        {"layer": layer, "type": datatype, "count": count, "bytes": int(sizes[layer, datatype])}
        for (layer, datatype), count in counts.most_common()
    ]


def _volume(shape: Any) -> int:
    volume = 1
    for extent in shape:
        volume *= extent
    return volume


def _write(path: Path, content: memoryview | bytes) -> None:
    """Put `content` at `path` in one step."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _log(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


def _say(**fields: Any) -> None:
    with contextlib.suppress(BrokenPipeError):  # whoever asked has gone; the engine is worth finishing all the same
        print(json.dumps(fields), flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Build a TensorRT engine from an ONNX file.")
    parser.add_argument("onnx", type=Path, nargs="?", help="the ONNX file; one input with a dynamic batch")
    parser.add_argument("--output", type=Path, help="the engine; beside the ONNX file when left out")
    parser.add_argument("--max-batch", type=int, default=128, help="largest batch (128)")
    parser.add_argument(
        "--precision", choices=("fp16", "tf32", "fp32"), default="fp16", help="what TensorRT 8.6 computes in"
    )
    parser.add_argument("--level", type=int, default=3, choices=range(6), help="builder optimization level (3)")
    parser.add_argument("--timing-cache", type=Path, help="file of kernel timings to use and renew")
    parser.add_argument("--workspace-share", type=float, default=0.5, help="part of the free GPU memory to use (0.5)")
    parser.add_argument("--with-parent", action="store_true", help="end when standard input is closed")
    parser.add_argument("--describe", action="store_true", help="print TensorRT's version and the GPU instead")
    options = parser.parse_args()
    if options.onnx is None and not options.describe:
        parser.error("the path of an ONNX file is needed")
    if options.onnx and not options.onnx.is_file():
        parser.error(f"{options.onnx}: there is no such file")
    options.output = options.output or (options.onnx and options.onnx.with_suffix(".plan"))
    return options


def _end_with_parent(cancel: Callable[[], None]) -> None:
    while sys.stdin.buffer.read(1):
        pass
    cancel()


def _cancel_on_signals(build: Build, with_parent: bool) -> None:
    """End the build at SIGTERM, Ctrl-C or the parent's death: gently where TensorRT listens, else by leaving."""

    def cancel(*_: object) -> None:
        build.cancel()
        leaving = threading.Timer(CANCEL_GRACE_S, os._exit, (CANCELLED_STATUS,))
        leaving.daemon = True
        leaving.start()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, cancel)
    if with_parent:
        threading.Thread(target=_end_with_parent, args=(cancel,), daemon=True).start()


def _in_thread(work: Callable[[], Any]) -> Any:
    """Run `work` in another thread: TensorRT builds for minutes, and only an idle main thread hears signals."""
    outcome: dict[str, Any] = {}

    def run() -> None:
        try:
            outcome["value"] = work()
        except BaseException as error:  # raised again below
            outcome["error"] = error

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(0.1)
    if "error" in outcome:
        raise outcome["error"]
    return outcome["value"]


def main() -> int:
    """Build, or describe, and return the exit status."""
    options = _arguments()
    try:
        if options.describe:
            _say(**describe())
            return 0
        build = Build(options, lambda progress, phase: _say(progress=round(progress, 4), phase=phase))
        _cancel_on_signals(build, options.with_parent)
        engine = _in_thread(build.run)
    except Cancelled:
        return CANCELLED_STATUS
    except OutOfMemory as error:
        _log(f"failed: {error}")
        return OUT_OF_MEMORY_STATUS
    except (BuildError, OSError) as error:
        _log(f"failed: {error}")
        return 1
    _say(progress=1.0, phase="built")
    _say(engine=engine)
    return 0


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)  # TensorRT's own threads and destructors have nothing left to do, and may take seconds
