"""`python -m server.gate`: the `readiness` program."""

import logging
import signal
import sys
import threading
import time

from server import logs
from server.backends.table import backends
from server.gate.board import Board
from server.gate.drain import drain
from server.gate.driver import Driver
from server.gate.sampler import Sampler, facts
from server.hardware import resolve
from server.live.history import Recorder
from server.model.artifacts import ModelError
from server.model.ensure import repair_model
from server.model.info import model_info
from server.model.reference import Reference
from server.settings import SettingsError, load_settings
from server.state import HISTORY, READINESS
from server.stop import stop_plan

log = logging.getLogger("bakeoff.readiness")


def main() -> None:
    """Drive every enabled backend until SIGTERM."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    try:
        settings = load_settings()
        logs.configure(settings.log_level, settings.log_format)
        hardware = resolve(settings)
        model = repair_model(settings, lambda model: [model.reference])
        information = model_info(settings, hardware)
        reference = Reference.load(settings.home.root / model.reference.path)
    except (SettingsError, ModelError) as error:
        sys.exit(str(error))
    except (OSError, ValueError, KeyError) as error:
        sys.exit(f"the reference embeddings cannot be read ({error}); run `bakeoff export`, which makes them again")
    table = backends(settings, hardware, model, stopping)
    places = [backend.address for backend in table]
    board = Board(READINESS.at(settings.bakeoff_home), information, places, settings.required_backends)
    board.publish()
    threads = []
    for backend in table:
        driver = Driver(backend, board, settings, hardware, reference, stopping)
        threads.append(threading.Thread(target=driver.run, name=backend.address.name, daemon=True))
        threads[-1].start()
    recorder = Recorder(
        HISTORY.at(settings.bakeoff_home), tuple(place.name for place in places), facts(settings, hardware)
    )
    sampler = Sampler(places, recorder, stopping)
    threading.Thread(target=sampler.run, name="sampler", daemon=True).start()
    while not stopping.wait(min(settings.probe_interval_s, 1.0)):
        board.publish()
    board.publish(closing=True)
    plan = stop_plan(settings.stop_timeout)
    drain(table, plan.drain_s)
    board.publish(closing=True)
    deadline = time.monotonic() + plan.join_s
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))  # a build ends in its own process, which is stopped first


main()
