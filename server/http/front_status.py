"""What the server of port 8002 knows of itself and the gate cannot see at once: it says so to the console with every request."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

HEADER = "bakeoff-front"
CLIENT = "bakeoff-client"
"""The address that a request came from; behind a proxy that one's.

Both are set anew by whoever passes a request on; what a client sends under these names goes no further."""


@dataclass(frozen=True)
class FrontStatus:
    """The server's own part of the readiness document.

    Attributes:
        unready: why it cannot serve, for a person; None while it can.
        lost: whether it served before, so that its reason is newer than what the gate has found.
        note: what is amiss although it serves.
    """

    unready: str | None = None
    lost: bool = False
    note: str | None = None

    def as_header(self) -> str:
        """Return it as the value of `HEADER`."""
        return json.dumps(asdict(self))


def front_status(headers: Mapping[str, str]) -> FrontStatus:
    """Return what a request that was passed on says; nothing is known of one that was not."""
    told = headers.get(HEADER)
    return FrontStatus(**json.loads(told)) if told else FrontStatus()
