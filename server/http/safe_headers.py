"""What every answer tells a browser: to guess no type, to pass on no address, and to load nothing that is not allowed."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = b"content-security-policy"

ALWAYS = [(b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer")]
STRICTEST = (POLICY, b"default-src 'none'; frame-ancestors 'none'")
"""For an answer that brings no policy of its own, which is no page."""


class SafeHeaders:
    """ASGI middleware that adds these headers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [*message.get("headers", ()), *ALWAYS]
                if not any(name == POLICY for name, _ in headers):
                    headers.append(STRICTEST)
                message = {**message, "headers": headers}
            await send(message)

        await self._app(scope, receive, with_headers)
