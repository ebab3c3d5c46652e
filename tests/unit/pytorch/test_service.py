"""Files that an engine decodes, refuses or never gets: every row of the answer is the embedding of its own file."""

import asyncio
import io
from collections.abc import AsyncIterator, Sequence

import numpy as np
import pytest
from PIL import Image

from server.http.metrics import Metrics
from server.images import ImageError, prepare
from server.images.decoding import Decoders
from server.ipc.arena import Bytes
from server.ipc.counters import Counters
from server.oip.spec import ENCODED_MODEL, PIXEL_MODEL
from server.pytorch.engine_client import EngineClient, EngineFailed
from server.pytorch.service import EmbeddingService
from tests.hostile import png_of_nothing
from tests.unit.pytorch.encoder_double import FAILS_LATER
from tests.unit.pytorch.rig import Rig, ready, settled

MAX_PIXELS = 1_000_000
GARBAGE = 123


def file(shade: int, kind: str = "JPEG", side: int = 256) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (side, side), (shade,) * 3).save(buffer, kind)
    return buffer.getvalue()


def damaged(data: bytes) -> bytes:
    """Return a JPEG whose head and end are whole, and whose Huffman tables are none."""
    tables = data.index(b"\xff\xc4")
    return data[: tables + 5] + b"\xff" * 16 + data[tables + 21 :]


class DecoderDouble:
    """Prepares files as the CPU does, and refuses those that it was told to, or that are damaged."""

    def __init__(self) -> None:
        self.refuses: set[bytes] = set()
        self.given: list[bytes] = []

    def prepare(self, files: list[Bytes]) -> tuple[Bytes, set[int], None]:
        pixels = np.full((len(files), 3, 224, 224), GARBAGE, np.uint8)
        refused = set()
        for position, data in enumerate(map(bytes, files)):
            self.given.append(data)
            try:
                if data in self.refuses:
                    raise ImageError("refused")
                pixels[position] = prepare(data, max_pixels=MAX_PIXELS)
            except ImageError:
                refused.add(position)
        return pixels, refused, None


class Served:
    """The service in front of an engine that decodes."""

    def __init__(self, engines: EngineClient, decoder: DecoderDouble) -> None:
        self.engines = engines
        self.decoder = decoder
        statistics = Counters.create(1, (PIXEL_MODEL, ENCODED_MODEL), 32).statistics(0)
        decoders = Decoders(2, max_pixels=MAX_PIXELS, upright=False, cpu_s=10, wall_s=60)
        self.service = EmbeddingService(
            engines, max_pixels=MAX_PIXELS, decoders=decoders, statistics=statistics, metrics=Metrics()
        )

    async def ask(self, *files: bytes) -> list[float]:
        with self.service.memory() as memory:
            return (await self.service.embed_files(files, memory))[:, 3].tolist()

    def counted(self, model: str = ENCODED_MODEL) -> tuple[int, int]:
        stats = self.service.statistics[model].snapshot()["inference_stats"]
        return stats["success"]["count"], stats["fail"]["count"]


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    decoder = DecoderDouble()
    rig = Rig(decoder=decoder)
    rig.thread.start()
    engines = rig.worker(0)
    await ready(engines)
    one = Served(engines, decoder)
    yield one
    await settled(engines)
    assert engines._allocator.free_bytes == engines.arena_size
    one.service.stop()
    engines.close()
    rig.end()


SHADES = [10, 20, 30, 40, 50]


@pytest.mark.parametrize("refused", [[], [0], [4], [1, 3], [0, 1, 2, 3, 4]], ids=str)
async def test_what_the_engine_refuses_is_decoded_here(served: Served, refused: list[int]) -> None:
    files = [file(shade) for shade in SHADES]
    served.decoder.refuses = {files[index] for index in refused}
    assert await served.ask(*files) == SHADES
    assert served.decoder.given == files
    assert served.counted() == (1, 0)


@pytest.mark.parametrize("kinds", ["PNG JPEG PNG JPEG JPEG", "JPEG JPEG PNG JPEG WEBP", "PNG PNG PNG PNG PNG"])
@pytest.mark.parametrize("refuses", [False, True], ids=["takes all", "refuses the last"])
async def test_files_that_no_engine_decodes_keep_their_places(served: Served, kinds: str, refuses: bool) -> None:
    files = [file(shade, kind) for shade, kind in zip(SHADES, kinds.split(), strict=True)]
    jpegs = [data for data in files if data.startswith(b"\xff\xd8")]
    served.decoder.refuses = set(jpegs[-1:] if refuses else [])
    found = await served.ask(*files)
    assert np.abs(np.subtract(found, SHADES)).max() <= 1  # WebP is lossy
    assert served.decoder.given == jpegs


async def test_a_file_that_costs_too_much_is_refused_and_others_are_served(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoders = Decoders(2, max_pixels=40_000_000, upright=False, cpu_s=0.3, wall_s=60)
    monkeypatch.setattr(served.service, "_decoders", decoders)
    costly = served.ask(file(10, "PNG"), png_of_nothing(9000, 4400), file(20, "PNG"))
    asked = [asyncio.ensure_future(one) for one in (costly, served.ask(file(30, "PNG")), served.ask(file(40, "PNG")))]
    with pytest.raises(ImageError, match=r"^image\[1\]: takes more than 0\.3 s of processor time to decode"):
        await asked[0]
    assert [await one for one in asked[1:]] == [[30], [40]]
    assert served.counted() == (2, 1)
    decoders.close()


@pytest.mark.parametrize("place", [0, 2])
async def test_what_nobody_can_decode_is_named_by_its_place_in_the_request(served: Served, place: int) -> None:
    files = [file(10, "PNG"), file(20), file(30)]
    files[place] = damaged(file(40))
    with pytest.raises(ImageError, match=rf"^image\[{place}\]: damaged"):
        await served.ask(*files)
    assert served.counted() == (0, 1)


async def test_an_image_that_is_too_large_reaches_no_engine(served: Served) -> None:
    with pytest.raises(ImageError, match=r"^image\[1\]: 1001x1001 is 1\.0 megapixels"):
        await served.ask(file(10), file(20, side=1001))
    assert served.decoder.given == []


def rows(*shades: int) -> Sequence[bytes]:
    return [file(shade) for shade in shades]


async def test_a_batch_that_fails_fails_all_of_its_request(served: Served) -> None:
    with pytest.raises(EngineFailed, match="log"):
        await served.ask(*rows(*[10] * 15, FAILS_LATER, 10, 10))
    assert served.counted() == (0, 1)
    assert await served.ask(*rows(10)) == [10]
