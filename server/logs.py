"""One line per event, the same form in every program; `server/processes/prefixed.sh` puts the program's name in front."""

import logging

FORMAT = "%(asctime)s %(levelname)s %(message)s"
TIME = "%H:%M:%S"


def configure(level: str) -> None:
    """Send our lines and uvicorn's to stderr at `level`; of the libraries underneath only errors."""
    logging.basicConfig(level=logging.ERROR, format=FORMAT, datefmt=TIME, force=True)
    for name in ("bakeoff", "uvicorn"):
        logging.getLogger(name).setLevel(level.upper())
