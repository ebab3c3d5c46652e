"""`python -m server.triton onnx|tensorrt`: prepare and become tritonserver."""

import logging
import os
import sys
from pathlib import Path

from server import logs
from server.backend_addresses import BackendAddress, addresses
from server.hardware import resolve
from server.keys import admin_secret
from server.model.artifacts import ModelError
from server.model.ensure import repair_model
from server.processes import segments
from server.processes.crash_loop import back_off
from server.processes.hidden_arguments import become
from server.processes.private_files import keep_private
from server.settings import Settings, SettingsError, load_settings
from server.triton.arguments import arguments, restrictions
from server.triton.installation import InstallationError, compose_backends, environment, find_installation, options
from server.triton.orphans import end_orphans
from server.triton.repository import render, values
from server.triton.runtimes import RUNTIMES

log = logging.getLogger("bakeoff.triton")


def main(name: str) -> None:
    """Replace this process by the tritonserver of the backend `name`; exit 0 where this machine cannot run it."""
    try:
        settings = load_settings()
        logs.configure(settings.log_level, settings.log_format)
        if name not in settings.tritons:
            sys.exit(f"{name} is no enabled backend of Triton's")
        backend = addresses(settings)[name]
        if reason := RUNTIMES[name].unavailable_reason(resolve(settings)):
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


def _below(home: Path, folder: Path) -> Path:
    return folder.relative_to(home) if folder.is_relative_to(home) else folder


def _become_tritonserver(backend: BackendAddress, settings: Settings) -> None:
    installation = find_installation()
    folder = settings.home.triton / backend.name
    composed = compose_backends(installation, folder / "backends")
    model = RUNTIMES[backend.name].model_file(settings)
    repository = render(
        backend.name, settings.home.repositories / backend.name, values(settings, resolve(settings)), model
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
