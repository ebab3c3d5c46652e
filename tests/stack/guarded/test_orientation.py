"""`APPLY_EXIF_ORIENTATION` turns photos on every backend alike, whatever decodes them."""

import io

import httpx
import numpy as np
import pytest
from PIL import Image

from bench.server.requests import Body, body_of_files, body_of_pixels, embeddings
from server.images import prepare
from server.model.reference import Reference
from tests.stack.stack import RunningStack

NEAR = 0.05
"""Of the spread: what a GPU's decoder may differ by from Pillow."""


def turned(photo: bytes, orientation: int, kind: str) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(photo)) as image:
        image.convert("RGB").resize((640, 480)).save(buffer, kind, exif=exif)
    return buffer.getvalue()


@pytest.mark.parametrize("backend", ["pytorch", "onnx"])
def test_photos_are_embedded_as_people_see_them(guarded: RunningStack, backend: str, reference: Reference) -> None:
    guarded.wait(200)

    def embedded(body: Body) -> np.ndarray:
        answer = httpx.post(
            f"{guarded.url(backend)}{body.path}",
            content=body.data,
            headers={**body.headers, **guarded.headers},
            timeout=120,
        )
        return embeddings(answer.content, int(answer.headers["Inference-Header-Content-Length"]))

    files = [turned(reference.files[0], number, "JPEG") for number in range(1, 9)]
    files += [turned(reference.files[0], 6, kind) for kind in ("PNG", "WEBP")]
    seen, lying = (
        embedded(body_of_pixels([prepare(file, max_pixels=10**7, upright=upright).tobytes() for file in files]))
        for upright in (True, False)
    )
    first, second = np.triu_indices(len(reference.embeddings), k=1)
    spread = np.median(np.linalg.norm(reference.embeddings[first] - reference.embeddings[second], axis=1))
    found = embedded(body_of_files(files))
    assert np.linalg.norm(found - seen, axis=1).max() <= NEAR * spread
    assert np.linalg.norm(found - lying, axis=1)[1:].min() > NEAR * spread
    model = httpx.get(f"{guarded.url()}/model-info", headers=guarded.headers).json()
    assert model["apply_exif_orientation"] is True
