"""The Open Inference Protocol as a Triton serves it: its documents, and its answers byte for byte.

A request is looked at closely once Triton has refused it, so that the same mistake is told in the same words as by the PyTorch
server, and costs nothing where there is none. What would harm a Triton is refused before.
"""

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from server.gateway.answers import NotServing, TritonFailed, file_error, words
from server.gateway.connection import Answer
from server.gateway.service import TritonService
from server.gateway.tritons import Tritons
from server.http.body import read_body
from server.http.documents import AT_ONCE, Documents, read_json, too_long
from server.http.observed import offer_id
from server.http.waiting import DeadlineExceeded, answer_in_time
from server.ipc.arena import Blocks
from server.oip.errors import InferenceError, bad_request
from server.oip.header import HEADER_LENGTH
from server.oip.model import ModelSpec
from server.oip.request import json_of, parse_request
from server.oip.spec import ENCODED_IMAGE
from server.settings import Settings

READY_TIMEOUT_S = 2.0
"""After which a Triton that does not say so is not ready."""

PASSED_ON = (b"content-type", HEADER_LENGTH.lower().encode())
"""Headers of an answer."""

HEAD_BYTES = 1024
"""Of a request or answer, within which what is looked for stands where clients and Triton write it."""

_SHAPE = re.compile(rb'"shape"\s*:\s*\[\s*([0-9]{1,4})\b')
_ID = re.compile(rb'\{"id":("(?:[^"\\]|\\.)*")')


class TritonModels:
    """Both models."""

    def __init__(
        self,
        tritons: Tritons,
        service: TritonService,
        documents: Documents,
        settings: Settings,
        onward: Callable[[Mapping[str, str]], dict[str, str]],
    ) -> None:
        """Put the parts together; `onward` returns, from a request's headers, those that join Triton's trace to ours."""
        self._tritons = tritons
        self._service = service
        self._documents = documents
        self._settings = settings
        self._onward = onward

    async def ready(self, spec: ModelSpec) -> bool:
        """Ask whether a model can be used."""
        try:
            async with asyncio.timeout(READY_TIMEOUT_S):
                return (await self._tritons.ask("GET", f"/v2/models/{spec.name}/ready")).status == 200
        except (NotServing, TimeoutError):
            return False

    async def metadata(self, spec: ModelSpec) -> dict[str, Any]:
        """Ask for the description of the tensors."""
        return await self._document(f"/v2/models/{spec.name}")

    async def config(self, spec: ModelSpec) -> dict[str, Any]:
        """Ask how the model is served."""
        return await self._document(f"/v2/models/{spec.name}/config")

    async def statistics(self, spec: ModelSpec | None) -> dict[str, Any]:
        """Ask for the counters of one model, or of all that Triton has, the one that decodes too."""
        return await self._document(f"/v2/models/{spec.name}/stats" if spec else "/v2/models/stats")

    async def infer(self, request: Request, spec: ModelSpec) -> Response:
        """Pass a request on, and the answer back; for errors see `parse_request` and `TritonService`."""
        with self._service.memory() as memory:
            header_length = request.headers.get(HEADER_LENGTH)
            body = await self._body(request, header_length, memory)
            text = json_of(body, header_length, spec)
            if header_length is not None and len(text) > AT_ONCE:
                raise too_long(f"the {AT_ONCE} bytes that may stand before binary tensors")
            fields = self._onward(request.headers)
            if header_length is not None:
                fields[HEADER_LENGTH] = str(len(text))
            work = self._service.run(spec.name, _images(text, spec), fields, [body])
            answer = await answer_in_time(request, work, self._settings.request_timeout_s)
            if answer.status != 200:
                raise await self._refusal(request, answer, spec, header_length, body)
        if found := _ID.match(answer.body, 0, HEAD_BYTES):
            offer_id(request.scope, json.loads(found[1]))
        headers = {
            name.decode(): answer.headers[name].decode("latin-1") for name in PASSED_ON if name in answer.headers
        }
        return Response(answer.body, headers=headers)

    async def _body(self, request: Request, header_length: str | None, memory: Blocks) -> memoryview:
        if header_length is None:
            return memoryview(await read_json(request, self._settings.max_json_mb))
        return await read_body(request, memory, self._service.largest_block)

    async def _refusal(
        self, request: Request, answer: Answer, spec: ModelSpec, header_length: str | None, body: memoryview
    ) -> Exception:
        """Return what is wrong with a request that Triton has refused, in our words where they are known."""
        try:
            if header_length is None:
                parsed = await self._documents.infer_request(bytes(body), spec)
            else:
                parsed = parse_request(body, header_length, spec)
        except InferenceError as error:
            return error
        offer_id(request.scope, parsed.id)
        if bad_file := file_error(answer, ENCODED_IMAGE):
            return bad_file
        return bad_request(words(answer)) if answer.status == 400 else TritonFailed(words(answer))

    async def _document(self, path: str) -> dict[str, Any]:
        try:
            async with asyncio.timeout(self._settings.request_timeout_s):
                answer = await self._tritons.ask("GET", path)
        except TimeoutError:
            raise DeadlineExceeded(
                f"no answer within {self._settings.request_timeout_s:g} s (REQUEST_TIMEOUT_S); try again"
            ) from None
        if answer.status != 200:
            raise TritonFailed(f"{path}: {answer.status}: {words(answer)}")
        document: dict[str, Any] = json.loads(answer.body)
        return document


def _images(text: bytes, spec: ModelSpec) -> int:
    """Return how many images a request has, by its shape; one where that stands elsewhere or is none."""
    found = _SHAPE.search(text, 0, HEAD_BYTES)
    return min(max(1, int(found[1])), spec.max_batch_size) if found else 1
