"""Where run-time files live. Kept free of heavy imports: the health check runs every few seconds and reads only this."""

import os
from pathlib import Path

from dotenv import dotenv_values

ROOT = Path(__file__).resolve().parent.parent
"""The checkout (or, in the image, the folder that the checkout was copied to)."""

ENV_FILE = ROOT / ".env"


def bakeoff_home() -> Path:
    """Return `BAKEOFF_HOME`: from the environment, else from `.env`, else `var/` in the checkout."""
    value = os.environ.get("BAKEOFF_HOME") or dotenv_values(ENV_FILE).get("BAKEOFF_HOME")
    return Path(value).expanduser().absolute() if value else ROOT / "var"


def state_file(home: Path) -> Path:
    """Return the path of the readiness document under `home`."""
    return home / "state" / "ready.json"
