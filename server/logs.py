"""One line per event, the same form in every program; `server/processes/prefixed.sh` puts the program's name in front."""

import logging

FORMAT = "%(asctime)s %(levelname)s %(message)s"
TIME = "%H:%M:%S"


def configure(level: str) -> None:
    """Send our lines to stderr at `level`, uvicorn's from warnings on, and of the libraries underneath only errors."""
    logging.basicConfig(level=logging.ERROR, format=FORMAT, datefmt=TIME, force=True)
    logging.getLogger("bakeoff").setLevel(level.upper())
    logging.getLogger("uvicorn").setLevel(max(logging.WARNING, logging.getLogger("bakeoff").level))
