"""JSON that clients send: small ones are read at once, larger ones in processes of their own, where they hold up nobody."""

import asyncio
import json

from fastapi import Request
from starlette.exceptions import HTTPException

from server.http import json_bodies
from server.http.json_bodies import BASE64, read_base64, unpacked_files, unpacked_request
from server.isolation import Costly, Pool, Refusal
from server.oip.errors import InferenceError
from server.oip.model import ModelSpec
from server.oip.request import InferRequest, parse_request

AT_ONCE = 32 * 1024
"""Bytes of JSON that are read in the event loop: as many as headers may have. The worst of these take some ms."""

PROCESSES = 2
"""For each HTTP worker; they start when the first large document comes."""

CPU_S = 10.0
"""Seconds of processor time for one document; the largest allowed take a fraction of it."""

MIB = 2**20


async def read_json(request: Request, most_mb: int) -> bytes:
    """Return a body that is JSON, of `most_mb` MiB at most.

    Raises:
        HTTPException: 413, it is longer; as soon as that is known.
    """
    stated = request.headers.get("content-length", "")
    received = int(stated) if stated.isdigit() else 0
    pieces: list[bytes] = []
    if received <= most_mb * MIB:
        received = 0
        async for piece in request.stream():
            pieces.append(piece)
            received += len(piece)
            if received > most_mb * MIB:
                break
    if received > most_mb * MIB:
        raise too_long(f"{most_mb} MiB (MAX_JSON_MB); send files as they are, or binary tensors")
    return b"".join(pieces)


def too_long(limit: str) -> HTTPException:
    """Return the refusal of JSON that is longer than `limit`."""
    return HTTPException(413, f"the request's JSON is larger than {limit}")


class Documents:
    """Reads them."""

    def __init__(self, max_batch_size: int, request_timeout_s: float) -> None:
        self._max_batch_size = max_batch_size
        self._pool = Pool(
            json_bodies.__name__, PROCESSES, cpu_s=CPU_S, wall_s=request_timeout_s, max_batch_size=max_batch_size
        )

    def close(self) -> None:
        """End the processes."""
        self._pool.close()

    async def base64_files(self, body: bytes) -> list[bytes]:
        """Return the files of `{"images": [...]}`.

        Raises:
            InferenceError: it is not that, naming the first thing that is wrong.
        """
        if len(body) <= AT_ONCE:
            return read_base64(body, self._max_batch_size)
        return unpacked_files(await self._elsewhere(BASE64, body))

    async def infer_request(self, body: bytes, spec: ModelSpec) -> InferRequest:
        """Parse an inference request that is nothing but JSON.

        Raises:
            InferenceError: 400, naming what is wrong.
        """
        if len(body) <= AT_ONCE:
            return parse_request(body, None, spec)
        return unpacked_request(await self._elsewhere(spec.name, body))

    async def _elsewhere(self, task: str, body: bytes) -> memoryview:
        try:
            return await asyncio.wrap_future(self._pool.submit(task, body))
        except Refusal as error:
            status, message = json.loads(str(error))
            raise InferenceError(status, message) from None
        except Costly as error:
            raise InferenceError(400, f"to read the request's JSON {error}") from None
