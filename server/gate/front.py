"""Who answers on port 8002: without the backend whose own it is, the gateway does."""

import httpx

from server.backend_addresses import PROGRAM_HEADER, pytorch_url
from server.settings import Settings

GATEWAY = "gateway"
"""supervisord's name for the program that has port 8002 instead."""

TIMEOUT_S = 3.0


def answers(settings: Settings, program: str) -> bool:
    """Tell whether a program answers on port 8002; while two have it, either may take a connection."""
    try:
        found = httpx.get(
            f"{pytorch_url(settings)}/health", headers={PROGRAM_HEADER: program}, timeout=TIMEOUT_S, trust_env=False
        )
    except httpx.HTTPError:
        return False
    return found.status_code == httpx.codes.OK
