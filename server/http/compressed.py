"""Bodies that a client has compressed."""

import zlib

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.http.errors import answer

ENCODINGS = ("gzip", "deflate")
STEP = 2**18
"""Bytes that are unpacked at once, so that the event loop is not held and a bomb is seen before it is in memory."""


class Compressed:
    """ASGI middleware that unpacks a body up to `limit` bytes, and answers 415 to an encoding that it does not know."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on as if it had been sent unpacked, without a length."""
        sent = next((value for name, value in scope.get("headers", ()) if name == b"content-encoding"), b"identity")
        encoding = sent.decode("latin-1").strip().lower().removeprefix("x-")
        if scope["type"] != "http" or encoding in ("identity", ""):
            await self._app(scope, receive, send)
            return
        if encoding not in ENCODINGS:
            refusal = answer(
                415, f"Content-Encoding '{encoding}' is not known; send gzip, deflate or the body as it is"
            )
            refusal.headers["Accept-Encoding"] = ", ".join(ENCODINGS)
            refusal.headers["Connection"] = "close"  # instead of reading on for the body
            await refusal(scope, receive, send)
            return
        headers = [
            (name, value) for name, value in scope["headers"] if name not in (b"content-encoding", b"content-length")
        ]
        await self._app({**scope, "headers": headers}, _Unpacked(receive, encoding, self._limit), send)


class _Unpacked:
    """What `receive` has, unpacked."""

    def __init__(self, receive: Receive, encoding: str, limit: int) -> None:
        self._receive = receive
        self._encoding = encoding
        self._limit = limit
        self._unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # told by the first bytes
        self._unpacked = 0
        self._packed = b""
        self._more_in = True

    async def __call__(self) -> Message:
        if not self._packed:
            if not self._more_in:
                return await self._receive()  # that the client leaves
            message = await self._receive()
            if message["type"] != "http.request":
                return message
            self._packed, self._more_in = message.get("body", b""), message.get("more_body", False)
        body = self._unpack()
        more = self._more_in or bool(self._packed)
        if not more and not self._unpacker.eof:
            raise HTTPException(400, f"the {self._encoding} body is cut off")
        return {"type": "http.request", "body": body, "more_body": more}

    def _unpack(self) -> bytes:
        try:
            body = self._unpacker.decompress(self._packed, STEP)
        except zlib.error as error:
            raise HTTPException(400, f"the body is not {self._encoding}, as Content-Encoding says: {error}") from None
        if self._unpacker.unused_data:
            raise HTTPException(400, f"there is something behind the end of the {self._encoding} body")
        self._packed = self._unpacker.unconsumed_tail
        self._unpacked += len(body)
        if self._unpacked > self._limit:
            raise HTTPException(413, f"the unpacked body is larger than {self._limit} bytes (MAX_BODY_MB)")
        return body
