"""Who may use port 8002: whoever sends a key as `Authorization: Bearer KEY`; liveness is for everybody."""

import asyncio
import logging
from collections.abc import Callable, Sequence

from starlette.types import ASGIApp, Receive, Scope, Send

from server.http.errors import answer
from server.keys import AUTHORIZATION, opens

LIVENESS = ("/health", "/healthz", "/v2/health/live")

TELL_EVERY_S = 60.0

log = logging.getLogger("bakeoff.http")


class Access:
    """ASGI middleware that answers 401 before anything of the request's body is read."""

    def __init__(self, app: ASGIApp, keys: Callable[[], Sequence[str]], open_paths: Sequence[str]) -> None:
        """Let in whoever sends one of what `keys` returns at that moment."""
        self._app = app
        self._keys = keys
        self._open = frozenset(open_paths)
        self._refused = Refused()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on if it may pass."""
        if scope["type"] not in ("http", "websocket") or scope["path"] in self._open:
            await self._app(scope, receive, send)
            return
        header = next((value for name, value in scope["headers"] if name == AUTHORIZATION.encode()), b"")
        if scope["type"] == "http" and opens(header, self._keys()):
            await self._app(scope, receive, send)
            return
        self._refused.note(scope)
        refusal = answer(401, "a key is needed: send `Authorization: Bearer KEY` (API_KEY)")
        refusal.headers["WWW-Authenticate"] = "Bearer"
        refusal.headers["Connection"] = "close"  # instead of reading on for a stranger's body
        await refusal(scope, receive, send)


class Refused:
    """Tells of strangers once every `TELL_EVERY_S`, however many they are."""

    def __init__(self) -> None:
        self._count = 0

    def note(self, scope: Scope) -> None:
        """Take a request into account that was answered 401; the metric `bakeoff_errors_total` counts it too."""
        if not self._count:
            asyncio.get_running_loop().call_later(TELL_EVERY_S, self._tell)
        self._count += 1
        self._last = (scope.get("client") or ("?",))[0], scope.get("method", scope["type"]), scope["path"]

    def _tell(self) -> None:
        log.warning(
            "%d requests without a key or with a wrong one (401) in %g s; the last from %s: %s %s",
            self._count, TELL_EVERY_S, *self._last,
        )  # fmt: skip
        self._count = 0
