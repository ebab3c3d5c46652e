"""`python -m server.gate`: the `readiness` program."""

import logging
import signal
import sys
import threading

from server import logs
from server.backends.table import backends
from server.gate.board import Board
from server.gate.drain import drain
from server.gate.driver import Driver
from server.gate.reconciler import Reconciler
from server.gate.sampler import Sampler, facts
from server.hardware import resolve
from server.live.history import Recorder
from server.model.artifacts import ModelError
from server.model.ensure import repair_model
from server.model.info import model_info
from server.model.reference import Reference
from server.processes.control import Supervisor
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
    table = backends(settings, hardware, model)
    names = tuple(backend.address.name for backend in table)
    board = Board(READINESS.at(settings.bakeoff_home), information, [], settings.required_backends)
    reconciler = Reconciler(
        table,
        board,
        Supervisor(settings.bakeoff_home),
        settings,
        lambda backend: Driver(backend, board, settings, hardware, reference),
    )
    reconciler.step()
    recorder = Recorder(HISTORY.at(settings.bakeoff_home), names, facts(settings, hardware))
    sampler = Sampler(reconciler.served, recorder, stopping)
    threading.Thread(target=reconciler.run, args=(stopping,), name="reconciler", daemon=True).start()
    threading.Thread(target=sampler.run, name="sampler", daemon=True).start()
    while not stopping.wait(min(settings.probe_interval_s, 1.0)):
        board.publish()
    reconciler.let_go()
    board.publish(closing=True)
    plan = stop_plan(settings.stop_timeout)
    drain(table, plan.drain_s)
    board.publish(closing=True)
    reconciler.join(plan.join_s)  # a build ends in its own process, which is stopped first


main()
