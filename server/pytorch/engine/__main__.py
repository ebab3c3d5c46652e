"""`python -m server.pytorch.engine`: one engine. Started by `server.pytorch`, which hands it its descriptors."""

import logging
import signal
import socket
import sys
import threading
import time

from server import logs
from server.hardware import resolve
from server.ipc import inherited, lifeline
from server.ipc.counters import Counters
from server.model.artifacts import ModelError
from server.oip.spec import ENCODED_MODEL, PIXEL_MODEL
from server.settings import Settings, SettingsError, load_settings

SWITCH_INTERVAL_S = 5e-5
"""Python's 5 ms would be the time that a finished batch waits for a thread that only counts."""

log = logging.getLogger("bakeoff.pytorch")


def main() -> None:
    """Load the model, then serve the workers until all of them have hung up and no more will come."""
    own = inherited.parse(sys.argv[1:])
    lifeline.watch(own.lifeline)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # what was accepted is finished; the workers' end is the engine's
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    try:
        settings = load_settings()
        logs.configure(settings.log_level, settings.log_format)
        serve(own, settings)
    except (SettingsError, ModelError) as error:
        sys.exit(str(error))
    except Exception as error:  # a missing or damaged file, no GPU memory, a driver that fails, ...
        sys.exit(f"the engine cannot run: {error!r}; `bakeoff export` makes damaged files again")


def serve(own: inherited.Inherited, settings: Settings) -> None:
    """Put the engine together and run it.

    Raises:
        ModelError, SettingsError: the model cannot be loaded as it is asked for.
    """
    start = time.monotonic()
    from server.http.metrics import Metrics
    from server.pytorch.engine.channels import Channels  # torch takes seconds to import: after the cheap checks
    from server.pytorch.engine.connect import connect
    from server.pytorch.engine.engine_server import EngineServer
    from server.pytorch.engine.load import load

    model = load(settings, resolve(settings), own.gpu)
    channels = Channels()
    arguments = socket.socket(fileno=own.control), channels, own.gpu
    threading.Thread(target=connect, args=arguments, name="connect", daemon=True).start()
    precision, decode = model.loaded.precision.upper(), model.loaded.decode.upper()
    took = time.monotonic() - start
    log.info("model loaded in %.1f s: %s, JPEG files decoded on the %s", took, precision, decode)
    counters = Counters(own.counters, (PIXEL_MODEL, ENCODED_MODEL), settings.max_batch_size)
    EngineServer(
        channels,
        model.encoder,
        model.decoder,
        delay_us=settings.batch_delay_us,
        statistics=counters.statistics(own.row)[PIXEL_MODEL],
        metrics=Metrics(),
        beat=lambda: counters.beat(own.row),
    ).serve(model.loaded)


main()
