"""Answering only what is meant for this program: while one hands port 8002 to another, both take connections from it."""

import os

from starlette.types import ASGIApp, Receive, Scope, Send

from server.backend_addresses import PROGRAM_HEADER
from server.http.errors import answer

NAME = PROGRAM_HEADER.encode()


class Addressed:
    """ASGI middleware that answers 421 to a request for another program, and closes the connection.

    Programs of the stack say which one they mean, clients do not. supervisord has written this one's name into its environment;
    outside of a stack there is none, and everything is answered.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._program = os.environ.get("SUPERVISOR_PROCESS_NAME", "").encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on if it may be meant for this program."""
        asked = next((value for name, value in scope.get("headers", ()) if name == NAME), self._program)
        if not self._program or asked == self._program:
            await self._app(scope, receive, send)
            return
        words = f"this is {self._program.decode()}, and not {asked.decode('latin-1')!r}; ask again on a new connection"
        refusal = answer(421, words)
        refusal.headers["Connection"] = "close"
        await refusal(scope, receive, send)
