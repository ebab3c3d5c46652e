"""`python -m server.triton onnx|tensorrt`: prepare and become tritonserver."""

import logging
import os
import sys
from pathlib import Path

from server import logs
from server.backend_addresses import BackendAddress, addresses
from server.hardware import resolve
from server.keys import admin_secret
from server.model.artifacts import ModelError, onnx_file
from server.model.ensure import repair_model
from server.processes import segments
from server.processes.crash_loop import back_off
from server.processes.hidden_arguments import become
from server.processes.private_files import keep_private
from server.settings import Settings, SettingsError, load_settings
from server.tensorrt import current
from server.triton import tensorrt_backend
from server.triton.arguments import arguments, restrictions
from server.triton.installation import InstallationError, compose_backends, environment, find_installation, options
from server.triton.orphans import end_orphans
from server.triton.repository import render, values

log = logging.getLogger("bakeoff.triton")


def main(name: str) -> None:
    """Replace this process by the tritonserver of the backend `name`; exit 0 where this machine cannot run it."""
    try:
        settings = load_settings()
        logs.configure(settings.log_level, settings.log_format)
        backend = {one.name: one for one in addresses(settings).values()}.get(name)  # type: ignore[call-overload]
        if backend is None:
            sys.exit(f"{name} is not an enabled backend")
        if name == "tensorrt" and (reason := tensorrt_backend.unavailable_reason(resolve(settings))):
            log.info("not started: %s", reason)
            sys.exit(0)
        back_off(settings, backend.program)
        repair_model(settings, lambda model: model.onnx.values())
        _become_tritonserver(backend, settings)
    except (SettingsError, ModelError, InstallationError) as error:
        sys.exit(str(error))
    except OSError as error:
        sys.exit(
            f"the model repository cannot be made: {error.strerror or error}; free some space in BAKEOFF_HOME or fix it"
        )


def _plan(settings: Settings) -> Path | None:
    plan = current.get(settings)
    return plan.path if plan else None  # before the first build the gate puts it in place


def _below(home: Path, folder: Path) -> Path:
    return folder.relative_to(home) if folder.is_relative_to(home) else folder


def _become_tritonserver(backend: BackendAddress, settings: Settings) -> None:
    installation = find_installation()
    folder = settings.home.triton / backend.name
    composed = compose_backends(installation, folder / "backends")
    model = onnx_file(settings) if backend.name == "onnx" else _plan(settings)
    assert backend.repository is not None
    repository = render(
        backend.repository, settings.home.repositories / backend.name, values(settings, resolve(settings)), model
    )
    home = settings.bakeoff_home
    # Triton starts its Python models through a shell, which takes the paths apart that it is given: relative ones are plain.
    os.chdir(home)
    plain = repository.relative_to(home)
    if ended := end_orphans(home, plain):
        log.warning("%d processes of an earlier tritonserver were still there, and are killed", ended)
    segments.remove(backend)  # of an instance that was killed: nobody else will
    known = options(installation)
    command = [
        str(installation.binary),
        *arguments(backend, settings, repository=plain, backends=_below(home, composed), known=known),
    ]
    log.info("%s: %s on %s", backend.title, installation.binary, backend.url)
    if len(settings.keys) > 1:
        log.warning("%d keys are known, and Triton knows the first only; the others open 8002", len(settings.keys))
    try:
        keep_private()
    except OSError as error:
        log.warning("what Triton shares in /dev/shm, photos too, is open to this machine's other users: %s", error)
    closed = restrictions(settings, admin_secret())
    become(installation.binary, command, closed, environment(installation), log.warning)


main(sys.argv[1] if len(sys.argv) == 2 else "")
