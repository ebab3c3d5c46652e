"""`python -m server.triton onnx|tensorrt`: prepare and become tritonserver."""

import logging
import os
import sys
from pathlib import Path

from server import logs
from server.backends import Backend, backends
from server.hardware import resolve
from server.model.artifacts import ModelError, onnx_file
from server.settings import Settings, SettingsError, load_settings
from server.tensorrt import current, runtime
from server.triton.arguments import arguments, shared_memory_prefix
from server.triton.installation import InstallationError, compose_backends, environment, find_installation
from server.triton.repository import render, values

SHARED_MEMORY = Path("/dev/shm")  # where Triton's Python models share tensors, on every Linux

log = logging.getLogger("bakeoff.triton")


def main(name: str) -> None:
    """Replace this process by the tritonserver of the backend `name`; exit 0 where this machine cannot run it."""
    try:
        settings = load_settings()
        logs.configure(settings.log_level, settings.log_format)
        backend = {one.name: one for one in backends(settings).values()}.get(name)  # type: ignore[call-overload]
        if backend is None:
            sys.exit(f"{name} is not an enabled backend")
        if name == "tensorrt" and (reason := runtime.unavailable_reason(resolve(settings))):
            log.info("not started: %s", reason)
            sys.exit(0)
        _become_tritonserver(backend, settings)
    except (SettingsError, ModelError, InstallationError) as error:
        sys.exit(str(error))


def _engine(settings: Settings) -> Path | None:
    engine = current.get(settings)
    return engine.plan if engine else None  # before the first build the gate puts it in place


def _become_tritonserver(backend: Backend, settings: Settings) -> None:
    installation = find_installation()
    folder = settings.home.triton / backend.name
    composed = compose_backends(installation, folder / "backends")
    model = onnx_file(settings) if backend.name == "onnx" else _engine(settings)
    assert backend.repository is not None
    repository = render(
        backend.repository, settings.home.repositories / backend.name, values(settings, resolve(settings)), model
    )
    for stale in SHARED_MEMORY.glob(f"{shared_memory_prefix(backend)}*"):
        stale.unlink(missing_ok=True)  # of an instance that was killed: nobody else will
    command = [str(installation.binary), *arguments(backend, settings, repository=repository, backends=composed)]
    log.info("%s: %s on %s", backend.title, installation.binary, backend.url)
    os.execve(installation.binary, command, environment(installation))


main(sys.argv[1] if len(sys.argv) == 2 else "")
