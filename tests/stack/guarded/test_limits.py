"""Triton's queues have an end, and what does not fit is refused in words, while what was accepted is answered."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np

from bench.server.requests import Body, body_of_files, body_of_pixels, embeddings
from server.model.reference import Reference
from tests.stack.stack import ROW_TOLERANCE, RunningStack

CLIENTS = 40


def flood(stack: RunningStack, body: Body, expected: np.ndarray) -> Counter[int]:
    with httpx.Client(timeout=120, headers=stack.headers, limits=httpx.Limits(max_connections=CLIENTS)) as client:

        def ask(_: int) -> httpx.Response:
            return client.post(f"{stack.url('onnx')}{body.path}", content=body.data, headers=body.headers)

        with ThreadPoolExecutor(CLIENTS) as pool:
            answers = list(pool.map(ask, range(CLIENTS)))
    for answer in answers:
        if answer.status_code == 200:
            found = embeddings(answer.content, int(answer.headers["Inference-Header-Content-Length"]))
            np.testing.assert_allclose(found, expected, atol=ROW_TOLERANCE)
        else:
            assert "maximum queue size" in answer.json()["error"]
    return Counter(answer.status_code for answer in answers)


def test_pixels_beyond_the_queue_are_refused(guarded: RunningStack, reference: Reference) -> None:
    guarded.wait(200)
    body = body_of_pixels([reference.pixels[0].tobytes()] * 16)
    found = flood(guarded, body, np.repeat(reference.embeddings[:1], 16, axis=0))
    assert set(found) == {200, 503}


def test_files_beyond_the_queue_are_refused(guarded: RunningStack, reference: Reference) -> None:
    guarded.wait(200)
    found = flood(guarded, body_of_files(reference.files[:4] * 2), np.tile(reference.embeddings[:4], (2, 1)))
    assert set(found) == {200, 503}


def test_each_request_is_decoded_by_itself(guarded: RunningStack) -> None:
    """Decoding scales by instances; a batch of several requests would keep one busy and the others idle."""
    url = f"{guarded.url('onnx')}/v2/models/openclip_preprocess/stats"
    (model,) = httpx.get(url, headers=guarded.headers).json()["model_stats"]
    assert model["execution_count"] == model["inference_stats"]["success"]["count"] > 0
