"""The gateway's application in front of doubles of Tritons, on the event loop that its workers run on."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest

from server.gateway.app import create_app
from server.hardware import resolve
from server.http.heartbeat import Heartbeat
from server.ipc.arena import Arena
from server.ipc.counters import Counters
from server.model.artifacts import Artifact, ModelArtifacts
from server.oip.spec import ENCODED_MODEL, PIXEL_MODEL
from server.settings import Settings
from tests.doubles.triton import TritonDouble, triton_double
from tests.unit.http.deadline import DeadlineLoop

ARENA_BYTES = 4 * 2**20


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": DeadlineLoop}


@pytest.fixture
async def triton() -> AsyncIterator[TritonDouble]:
    async with triton_double() as double:
        yield double


@pytest.fixture
async def other() -> AsyncIterator[TritonDouble]:
    async with triton_double() as double:
        yield double


@dataclasses.dataclass
class Gateway:
    """A client of the application, and what its worker has."""

    client: httpx.AsyncClient
    counters: Counters
    arena: Arena
    home: Path


Make = Callable[..., "Gateway"]


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    """Return what makes a gateway in front of a Triton on the port `onnx`, and where there is one on `tensorrt`."""
    nothing = Artifact(path="nothing", size=0, sha256="0")
    model = ModelArtifacts(
        pretrained="random", source="random", note=None, recipe={}, quick_gelu=False, weights=nothing, onnx={},
        reference=nothing,
    )  # fmt: skip
    (tmp_path / "model.json").write_text(model.model_dump_json())
    made: list[Gateway] = []

    def gateway(onnx: int, tensorrt: int | None = None, **words: object) -> Gateway:
        ports = {"onnx_http_port": onnx} | ({"tensorrt_http_port": tensorrt} if tensorrt else {})
        settings = Settings(
            bakeoff_home=tmp_path,
            device="cpu",
            backends=("onnx", *(["tensorrt"] if tensorrt else [])),
            **ports,
            **words,
        )  # type: ignore[arg-type]
        counters = Counters.create(1, (PIXEL_MODEL, ENCODED_MODEL), settings.max_batch_size)
        arena = Arena.create(ARENA_BYTES)
        app = create_app(settings, resolve(settings), arena, counters, Heartbeat(counters, 0, 1))
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://localhost"
        )
        made.append(Gateway(client, counters, arena, tmp_path))
        made[-1].app = app  # type: ignore[attr-defined]
        return made[-1]

    yield gateway
    for one in made:
        assert one.counters.outstanding == 0
        await one.client.aclose()
        one.app.state.context.documents.close()  # type: ignore[attr-defined]


@pytest.fixture
def gateway(make: Make, triton: TritonDouble) -> Gateway:
    return make(triton.port)
