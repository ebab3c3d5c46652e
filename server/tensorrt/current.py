"""Which engine this start of the stack serves, so that a Triton that was restarted finds it without the gate."""

from pathlib import Path

from server.files import write_atomic
from server.settings import Settings
from server.tensorrt.cache import MANIFEST, Engine, EngineCache, Manifest


def file(settings: Settings) -> Path:
    """Return the file that names the engine; the stack's start removes it."""
    return settings.home.state / "engine"


def put(settings: Settings, key: str) -> None:
    """Make the engine `key` the one that is served."""
    write_atomic(file(settings), key)


def get(settings: Settings) -> Engine | None:
    """Return the engine that is served, checked anew; None before there is one, or when it has been damaged since."""
    try:
        key = file(settings).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    return EngineCache(settings.home.engines).find(key)


def manifest(settings: Settings) -> Manifest | None:
    """Return what is known of the engine that is served, which is not looked at; None before there is one."""
    try:
        key = file(settings).read_text(encoding="utf-8")
        return Manifest.model_validate_json((EngineCache(settings.home.engines).folder(key) / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return None
