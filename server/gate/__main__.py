"""`python -m server.gate`: the `readiness` program."""

import logging
import signal
import sys
import threading

from server import logs
from server.backends import backends
from server.gate.board import Board
from server.gate.driver import Driver
from server.hardware import resolve
from server.home import state_file
from server.model import artifacts
from server.model.artifacts import ModelError
from server.model.info import model_info
from server.model.reference import Reference
from server.settings import SettingsError, load_settings
from server.triton.tensorrt_runtime import unavailable_reason

log = logging.getLogger("bakeoff.readiness")


def main() -> None:
    """Drive every enabled backend until SIGTERM."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    try:
        settings = load_settings()
        logs.configure(settings.log_level)
        hardware = resolve(settings)
        model = artifacts.require(settings)
        information = model_info(settings, hardware)
        reference = Reference.load(settings.home.root / model.reference.path)
    except (SettingsError, ModelError) as error:
        sys.exit(str(error))
    except (OSError, ValueError, KeyError) as error:
        sys.exit(f"the reference embeddings cannot be read ({error}); run `bakeoff export`, which makes them again")
    table = backends(settings)
    board = Board(state_file(settings.bakeoff_home), information, list(table.values()))
    board.publish()
    needs = {"tensorrt": unavailable_reason}
    for backend in table.values():
        driver = Driver(backend, board, settings, hardware, reference, stopping, needs.get(backend.name, lambda: None))
        threading.Thread(target=driver.run, name=backend.name, daemon=True).start()
    while not stopping.wait(min(settings.probe_interval_s, 1.0)):
        board.publish()
    board.publish(closing=True)


main()
