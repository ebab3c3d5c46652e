"""Whether the model hub can be reached; the question is asked with its own client's address."""

import httpx
from huggingface_hub import constants

TIMEOUT_S = 5.0


def hub_answers() -> bool:
    """Tell within seconds whether the hub answers; its own client finds out by retries that take 40 s in all."""
    if constants.HF_HUB_OFFLINE:
        return False
    try:
        httpx.head(constants.ENDPOINT, timeout=TIMEOUT_S)
    except httpx.HTTPError:
        return False
    return True


def stay_offline() -> None:
    """Make the hub's client look into its local cache only."""
    constants.HF_HUB_OFFLINE = True
