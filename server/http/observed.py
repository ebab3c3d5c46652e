"""What happens to every request besides its work: it gets an id and a span, its errors are counted, its end is logged."""

import logging
import re
import secrets
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.http.metrics import Metrics
from server.http.tracing import Tracing

HEADER = "x-request-id"
ALLOWED = re.compile(r"[\x21-\x7e]{1,128}")
"""Ids that are passed through: visible ASCII, so that they fit a header and a log line."""

REASONS = {
    400: "bad_request",
    401: "unauthorized",
    403: "other_page",
    404: "not_found",
    405: "method_not_allowed",
    408: "client_too_slow",
    409: "busy",
    413: "body_too_large",
    415: "unsupported_media",
    421: "other_name",
    422: "bad_request",
    499: "client_gone",
    500: "internal",
    502: "backend",
    503: "not_ready",
    504: "timeout",
}
"""By status, where nothing more precise was said with `give_reason`."""

log = logging.getLogger("bakeoff.http")


def request_id(scope: Scope) -> str:
    """Return the id of a request that passes through `Observed`."""
    return str(scope["state"]["request_id"])


def offer_id(scope: Scope, identifier: str | None) -> None:
    """Make the protocol's own id the request's, unless the client has sent the header or the id fits in none."""
    state = scope["state"]
    if identifier and not state["id_given"] and ALLOWED.fullmatch(identifier):
        state["request_id"] = identifier


def give_reason(scope: Scope, reason: str) -> None:
    """Say under which reason an error of this request is counted."""
    scope["state"]["reason"] = reason


class Observed:
    """ASGI middleware; the outermost, so that what others refuse is seen too."""

    def __init__(self, app: ASGIApp, metrics: Metrics, tracing: Tracing | None = None) -> None:
        self._app = app
        self._metrics = metrics
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()
        state = scope.setdefault("state", {})
        given = next((value for name, value in scope["headers"] if name == HEADER.encode()), b"").decode("latin-1")
        state["id_given"] = bool(ALLOWED.fullmatch(given))
        state["request_id"] = given if state["id_given"] else secrets.token_hex(16)

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (HEADER.encode(), request_id(scope).encode())]
                state["status"] = message["status"]
                self._note(scope, message["status"], time.perf_counter() - start)
            await send(message)

        if self._tracing is None:
            await self._app(scope, receive, noted)
            return
        with self._tracing.span(scope) as span:
            await self._app(scope, receive, noted)
            span.set_attribute("bakeoff.request_id", request_id(scope))
            span.set_attribute("http.response.status_code", state["status"])

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        reason = None
        if status >= 400:
            reason = scope["state"].get("reason") or REASONS.get(status, f"http_{status}")
            self._metrics.errors.labels(reason).inc()
        level = logging.WARNING if status >= 500 and status != 503 else logging.DEBUG
        if log.isEnabledFor(level):
            fields = {
                "request_id": request_id(scope),
                "method": scope["method"],
                "path": scope["path"],
                "status": status,
                "duration_ms": round(1e3 * seconds, 3),
                **({"reason": reason} if reason else {}),
            }
            log.log(level, "%s %s %d in %.1f ms, %s", *list(fields.values())[1:5], fields["request_id"], extra=fields)
