"""One photo through every backend that is ready, each over its own port, as any client would send it.

One after the other, so that none is slowed down by another.
"""

import asyncio
import json
import struct
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import httpx
import numpy as np

from server.backend_addresses import BackendAddress
from server.oip.spec import EMBEDDING, ENCODED_IMAGE, ENCODED_MODEL
from server.oip.split import Readings, readings, split_between
from server.setting_types import BackendName

TIMEOUT_S = 60.0
COUNTED_AFTER_S = (0.0, 0.01, 0.03, 0.1)
"""A Triton answers first and counts then; between these waits it is asked whether it has."""

LENGTH = "inference-header-content-length"


class Refused(RuntimeError):
    """A backend did not embed the photo; the message is its own."""


class Trial:
    """Asks the backends. Kept for the console's life, because a connection that is open already is what is measured."""

    def __init__(self, backends: Mapping[BackendName, BackendAddress]) -> None:
        """Connect to nobody yet."""
        self._backends = backends
        self._client = httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False)

    async def close(self) -> None:
        """Hang up."""
        await self._client.aclose()

    async def embed(
        self, photo: bytes, ready: Sequence[BackendName], headers: Mapping[str, str], request_id: str
    ) -> dict[str, Any]:
        """Return by backend its `embedding`, `total_ms` as seen from here and `split`, or its `error`.

        Args:
            photo: a JPEG, PNG or WebP file.
            ready: backends to ask.
            headers: of this request, such as a trace's.
            request_id: sent as the protocol's `id`.
        """
        found: dict[str, Any] = {}
        for name in ready:
            try:
                found[name] = await self._embed(name, photo, headers, request_id)
            except Refused as error:
                found[name] = {"error": str(error)}
            except (httpx.HTTPError, OSError) as error:
                found[name] = {"error": f"no answer: {error or type(error).__name__}"}
            except (KeyError, TypeError, ValueError) as error:
                found[name] = {"error": f"an answer that is not the protocol's: {error!r}"}
        return found

    async def _embed(
        self, name: BackendName, photo: bytes, headers: Mapping[str, str], request_id: str
    ) -> dict[str, Any]:
        url, own = self._backends[name].url, self._backends[name].header
        before = await self._readings(url, own)
        body, header_length = _body(photo, request_id)
        start = time.perf_counter()
        answer = await self._client.post(
            f"{url}/v2/models/{ENCODED_MODEL}/infer",
            content=body,
            headers={LENGTH: str(header_length), "content-type": "application/octet-stream", **headers, **own},
        )
        total_ms = 1e3 * (time.perf_counter() - start)
        if answer.status_code != httpx.codes.OK:
            raise Refused(_message(answer))
        split = None
        for wait in COUNTED_AFTER_S:
            await asyncio.sleep(wait)
            if split := split_between(before, await self._readings(url, own)):
                break
        embedding = np.frombuffer(answer.content[int(answer.headers[LENGTH]) :], "<f4")
        return {
            "total_ms": round(total_ms, 3),
            "split": asdict(split) if split else None,
            "embedding": [round(value, 7) for value in embedding.tolist()],
        }

    async def _readings(self, url: str, headers: Mapping[str, str]) -> Readings:
        answer = await self._client.get(f"{url}/v2/models/stats", headers=headers)
        if answer.status_code != httpx.codes.OK:
            raise Refused(_message(answer))
        return readings(answer.json())


def _body(photo: bytes, request_id: str) -> tuple[bytes, int]:
    """Return a request for one file in Triton's binary form, and the length of its JSON."""
    header = json.dumps(
        {
            "id": request_id,
            "inputs": [
                {
                    "name": ENCODED_IMAGE,
                    "shape": [1, 1],
                    "datatype": "BYTES",
                    "parameters": {"binary_data_size": len(photo) + 4},
                }
            ],
            "outputs": [{"name": EMBEDDING, "parameters": {"binary_data": True}}],
        }
    ).encode()
    return header + struct.pack("<I", len(photo)) + photo, len(header)


def _message(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["error"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {answer.status_code}"
