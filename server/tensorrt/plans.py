"""Getting the plan for the exported model on this machine: from the cache, or by building it."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from filelock import FileLock, Timeout

from server.model.artifacts import Artifact
from server.setting_types import Precision
from server.settings import Settings
from server.tensorrt import builder_process
from server.tensorrt.builder.profiles import profiles
from server.tensorrt.builder.progress import Report
from server.tensorrt.builder_process import BuildCancelled, BuildRequest, Platform
from server.tensorrt.cache import LOG, PLAN, Identity, PlanCache, PlanFile

LOCK_POLL_S = 0.5
GB = 10**9

log = logging.getLogger("bakeoff.tensorrt")


def identity(settings: Settings, onnx: Artifact, precision: Precision, platform: Platform) -> Identity:
    """Return what the plan for `onnx` has to be on this machine."""
    return Identity(
        onnx_sha256=onnx.sha256,
        gpu=platform.gpu,
        compute_capability=platform.compute_capability,
        tensorrt=f"{platform.module} {platform.version}",
        precision=precision,
        profiles=tuple(profiles(settings.max_batch_size)),
        optimization_level=settings.tensorrt_optimization_level,
        builder_sha256=builder_process.source_sha256(),
    )


def ensure_plan(
    settings: Settings, onnx: Artifact, precision: Precision, report: Report, stopping: threading.Event
) -> PlanFile:
    """Return the plan, built now unless the cache has it.

    Several processes may call this at once, also in other containers on the same cache; one builds and the others wait.

    Args:
        onnx: the exported graph.
        report: is told the progress, 0 to 1, and the phase.
        stopping: ends the build when set.

    Raises:
        BuildFailed: it could not be built.
        BuildCancelled: `stopping` was set.
        OSError: the cache cannot be written, or the disk is full.
    """
    platform = builder_process.describe()
    wanted = identity(settings, onnx, precision, platform)
    cache = PlanCache(settings.home.engines)
    report(0.0, "looking into the cache")
    with _held(cache.lock(wanted.key), report, stopping):
        plan = cache.find(wanted.key)
        if plan is not None:
            log.info("engine %s: from the cache, built %s", wanted.key, plan.manifest.built_at)
        else:
            plan = _build(settings, onnx, wanted, platform, cache, report, stopping)
        cache.touch(wanted.key)
    cache.prune(int(settings.engine_cache_gb * GB), keep=wanted.key)
    return plan


def _build(
    settings: Settings,
    onnx: Artifact,
    wanted: Identity,
    platform: Platform,
    cache: PlanCache,
    report: Report,
    stopping: threading.Event,
) -> PlanFile:
    folder = cache.folder(wanted.key)
    folder.mkdir(parents=True, exist_ok=True)
    for half_written in folder.glob(f".{PLAN}.*"):
        half_written.unlink()  # by a builder that was killed
    log.info("engine %s: building with %s for %s", wanted.key, wanted.tensorrt, platform.gpu or "no GPU in particular")
    request = BuildRequest(
        onnx=settings.home.root / onnx.path,
        output=folder / PLAN,
        log=folder / LOG,
        timing_cache=cache.timing_cache(wanted.tensorrt, platform.gpu),
        precision=wanted.precision,
        max_batch=settings.max_batch_size,
        level=wanted.optimization_level,
    )
    description = builder_process.build(request, timeout_s=settings.compile_timeout_s, report=report, stopping=stopping)
    plan = cache.keep(wanted, description, datetime.now(UTC).isoformat(timespec="seconds"))
    log.info("engine %s: built in %.1f s", wanted.key, plan.manifest.build_seconds)
    return plan


@contextmanager
def _held(lock: FileLock, report: Report, stopping: threading.Event) -> Iterator[None]:
    """Hold the lock of one plan, waited for in a way that can be stopped."""
    while True:
        try:
            held = lock.acquire(timeout=LOCK_POLL_S)
            break
        except Timeout:
            report(0.0, "waiting for another process, which builds this engine")
        if stopping.is_set():
            raise BuildCancelled("the TensorRT build was stopped while waiting for another process")
    with held:
        yield
