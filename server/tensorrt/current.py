"""Which plan this start of the stack serves, so that a Triton that was restarted finds it without the gate."""

from server.files import write_atomic
from server.settings import Settings
from server.state import SERVED_PLAN
from server.tensorrt.cache import MANIFEST, Manifest, PlanCache, PlanFile


def put(settings: Settings, key: str) -> None:
    """Make the plan `key` the one that is served."""
    write_atomic(SERVED_PLAN.at(settings.bakeoff_home), key)


def get(settings: Settings) -> PlanFile | None:
    """Return the plan that is served, checked anew; None before there is one, or when it has been damaged since."""
    try:
        key = SERVED_PLAN.at(settings.bakeoff_home).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    return PlanCache(settings.home.engines).find(key)


def manifest(settings: Settings) -> Manifest | None:
    """Return what is known of the plan that is served, which is not looked at; None before there is one."""
    try:
        key = SERVED_PLAN.at(settings.bakeoff_home).read_text(encoding="utf-8")
        return Manifest.model_validate_json((PlanCache(settings.home.engines).folder(key) / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return None
