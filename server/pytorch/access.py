"""Who may use port 8002: whoever sends a key as `Authorization: Bearer KEY`; liveness is for everybody."""

from collections.abc import Callable, Sequence

from starlette.types import ASGIApp, Receive, Scope, Send

from server.keys import AUTHORIZATION, opens
from server.pytorch.errors import answer

LIVENESS = ("/health", "/healthz", "/v2/health/live")


class Access:
    """ASGI middleware that answers 401 before anything of the request's body is read."""

    def __init__(self, app: ASGIApp, keys: Callable[[], Sequence[str]], open_paths: Sequence[str]) -> None:
        """Let in whoever sends one of what `keys` returns at that moment."""
        self._app = app
        self._keys = keys
        self._open = frozenset(open_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on if it may pass."""
        if scope["type"] not in ("http", "websocket") or scope["path"] in self._open:
            await self._app(scope, receive, send)
            return
        header = next((value for name, value in scope["headers"] if name == AUTHORIZATION.encode()), b"")
        if scope["type"] == "http" and opens(header, self._keys()):
            await self._app(scope, receive, send)
            return
        refusal = answer(401, "a key is needed: send `Authorization: Bearer KEY` (API_KEY)")
        refusal.headers["WWW-Authenticate"] = "Bearer"
        refusal.headers["Connection"] = "close"  # instead of reading on for a stranger's body
        await refusal(scope, receive, send)
