"""Where run-time files live. Kept free of heavy imports: the health check runs every few seconds and reads only this."""

import codecs
import io
import os
from pathlib import Path

from dotenv import dotenv_values

from server import state

ROOT = Path(__file__).resolve().parent.parent
"""The checkout (or, in the image, the folder that the checkout was copied to)."""

PHOTOS = ROOT / "photos"
"""The photos that ship with the repository."""

ENV_FILE = ROOT / ".env"


class EnvFileProblem(ValueError):
    """`.env` cannot be read as text; the message says what it is and what to do."""


def env_file() -> dict[str, str | None]:
    """Return the variables that `.env` sets; none where there is no such file.

    Raises:
        EnvFileProblem: it is not UTF-8, or may not be read.
    """
    try:
        data = ENV_FILE.read_bytes()
    except (FileNotFoundError, IsADirectoryError):
        return {}
    except OSError as error:
        raise EnvFileProblem(f"{ENV_FILE} cannot be read: {error.strerror}") from None
    try:
        text = data.decode("utf-8-sig")
        found = "UTF-16" if "\0" in text else None  # of ASCII letters it is valid UTF-8, with a NUL beside each
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        found = "UTF-16" if utf16 else f"byte 0x{data[error.start]:02x} in line {line}"
    if found:
        raise EnvFileProblem(f"{ENV_FILE} is not UTF-8 text ({found}); save it as UTF-8")
    return dotenv_values(stream=io.StringIO(text))


def bakeoff_home() -> Path:
    """Return `BAKEOFF_HOME`: from the environment, else from `.env`, else `var/` in the checkout.

    Raises:
        EnvFileProblem: `.env` cannot be read.
    """
    value = os.environ.get("BAKEOFF_HOME") or env_file().get("BAKEOFF_HOME")
    return Path(value).expanduser().absolute() if value else ROOT / "var"


class Home:
    """The folders under `BAKEOFF_HOME`, by what lives there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.weights = root / "weights"
        self.onnx = root / "onnx"
        self.engines = root / "engines"
        self.repositories = root / "model_repository"
        self.triton = root / "triton"
        self.state = root / state.FOLDER
        self.log = root / "log"
        self.results = root / "results"
