"""What is small and costs much stops nobody: it is refused or served, while health, other clients and the gate are answered."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event, Thread

import httpx
import numpy as np
import psutil
import pytest

from bench.server.requests import body_of_files, embeddings
from server.model.reference import Reference
from tests.hostile import png_of_nothing, repeated_scan, webp_of_nothing
from tests.stack.stack import ROW_TOLERANCE, RunningStack

pytestmark = pytest.mark.usefixtures("first")

HEALTH_S = 0.25
"""99 of 100 answers of `/health` come within this, on two cores."""

LOOK = """
import sys, threading, time, httpx
over = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
with httpx.Client(timeout=30) as client:
    while not over.wait(0.02):
        began = time.monotonic()
        client.get(sys.argv[1]).raise_for_status()
        print(time.monotonic() - began, flush=True)
"""
"""Asks until its input ends: in a process of its own, because it measures the server and not this one."""

PIPES = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}

AT_ONCE = 3
PIXELS = "/v2/models/openclip_vit_b32/infer"

DOCUMENTS = {
    "numbers as images": ("/embed/base64", b'{"images":[' + b"1," * 8_900_000 + b"1]}", 422, "8900000 items"),
    "empty texts as images": ("/embed/base64", b'{"images":[' + b'"",' * 5_500_000 + b'""]}', 422, "quotation marks"),
    "empty arrays as a tensor": (
        PIXELS,
        b'{"inputs":[{"name":"image","data":[' + b"[]," * 11_000_000 + b"[]]}]}",
        400,
        "items",
    ),
    "arrays in arrays": (PIXELS, b'{"inputs":' + b"[" * 30_000_000, 400, "arrays and objects"),
    "too long": (PIXELS, b" " * (33 * 2**20), 413, "MAX_JSON_MB"),
}


@contextmanager
def nobody_suffers(stack: RunningStack, backend: str, reference: Reference) -> Iterator[None]:
    """Have others ask meanwhile; nothing is restarted, `/health` is quick, and photos get their own embeddings."""
    stack.wait(200)
    before = {process.pid for process in psutil.Process(stack.process.pid).children()}
    over, problems = Event(), []

    def embed() -> None:
        body = body_of_files(reference.files[:1])
        with httpx.Client(timeout=120, headers=stack.headers) as client:
            while not over.wait(0.1):
                answer = client.post(f"{stack.url(backend)}{body.path}", content=body.data, headers=body.headers)
                if answer.status_code != 200:
                    problems.append(answer.text)
                    continue
                found = embeddings(answer.content, int(answer.headers["Inference-Header-Content-Length"]))
                if not np.allclose(found, reference.embeddings[:1], atol=ROW_TOLERANCE):
                    problems.append("another embedding")

    other = Thread(target=embed)
    other.start()
    with subprocess.Popen([sys.executable, "-c", LOOK, f"{stack.url()}/health"], **PIPES) as looking:
        assert looking.stdout
        took = [float(looking.stdout.readline())]
        try:
            yield
        finally:
            over.set()
            other.join()
            took += map(float, looking.communicate()[0].split())
    assert problems == []
    assert np.percentile(took, 99) < HEALTH_S
    assert {process.pid for process in psutil.Process(stack.process.pid).children()} == before
    assert stack.ready()[0] == 200


def at_once(ask: Callable[[int], httpx.Response]) -> list[httpx.Response]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(ask, range(AT_ONCE)))


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_json_holds_up_nobody(guarded: RunningStack, reference: Reference, kind: str) -> None:
    path, body, status, words = DOCUMENTS[kind]
    with nobody_suffers(guarded, "pytorch", reference):
        answers = at_once(
            lambda _: httpx.post(f"{guarded.url()}{path}", content=body, headers=guarded.headers, timeout=60)
        )
    for answer in answers:
        assert answer.status_code == status, answer.text
        assert words in answer.json()["error"]


FILES = {
    "scans": (lambda: repeated_scan(9999, 1200), "JPEG of more than 50 scans"),
    "a long line": (lambda: png_of_nothing(99_999_999, 1, 0), "one side may be at most 65535 times as long"),
}


@pytest.mark.parametrize("backend", ["pytorch", "onnx"])
@pytest.mark.parametrize("kind", FILES)
def test_an_image_is_refused_before_it_costs_anything(
    guarded: RunningStack, reference: Reference, backend: str, kind: str
) -> None:
    make, words = FILES[kind]
    body = body_of_files([reference.files[0], make()])
    with nobody_suffers(guarded, backend, reference):
        answers = at_once(
            lambda _: httpx.post(
                f"{guarded.url(backend)}{body.path}",
                content=body.data,
                headers={**guarded.headers, **body.headers},
                timeout=60,
            )
        )
    for answer in answers:
        assert answer.status_code == 400, answer.text
        assert words in answer.json()["error"]


@pytest.mark.parametrize(("backend", "side", "count"), [("pytorch", 5000, 16), ("onnx", 7000, 8)])
def test_a_server_whose_decoders_are_busy_for_long_does_not_hang(
    guarded: RunningStack, reference: Reference, backend: str, side: int, count: int
) -> None:
    body = body_of_files([webp_of_nothing(side)] * count)
    with nobody_suffers(guarded, backend, reference):
        answer = httpx.post(
            f"{guarded.url(backend)}{body.path}",
            content=body.data,
            headers={**guarded.headers, **body.headers},
            timeout=120,
        )
    assert answer.status_code == 200, answer.text
