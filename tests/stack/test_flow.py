"""The PyTorch server under more than it can take: refused at once, given up in time, dropped when nobody waits, drained at the end."""

import re
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest

from bench.server.requests import Body, body_of_files, body_of_pixels, embeddings
from server.model.reference import Reference
from tests.stack.conftest import QUIET
from tests.stack.stack import PRECISION, ROW_TOLERANCE, RunningStack, command_line, same_model, start

QUEUE = 40
OUTSTANDING = "bakeoff_outstanding_images"
GONE = 'bakeoff_errors_total{reason="client_gone"}'


@pytest.fixture(scope="module")
def small(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """Return a PyTorch server of two workers with a short queue."""
    running = start(
        same_model(exported, tmp_path_factory.mktemp("small")),
        16_000,
        BACKENDS="pytorch",
        PRECISION=PRECISION,
        HTTP_WORKERS="2",
        HANG_TIMEOUT_S="10",
        MAX_QUEUE_IMAGES=str(QUEUE),
        **QUIET,
    )
    try:
        running.wait(200)
        yield running
    finally:
        running.stop()


def pixels(reference: Reference, rows: list[int]) -> Body:
    return body_of_pixels([reference.pixels[row % len(reference.pixels)].tobytes() for row in rows])


def post(stack: RunningStack, body: Body, timeout: float = 60) -> httpx.Response:
    return httpx.post(f"{stack.url()}{body.path}", content=body.data, headers=body.headers, timeout=timeout)


def right(answer: httpx.Response, reference: Reference, rows: list[int]) -> bool:
    found = embeddings(answer.content, int(answer.headers["Inference-Header-Content-Length"]))
    return bool(np.allclose(found, reference.embeddings[rows], atol=ROW_TOLERANCE))


def loaded(stack: RunningStack) -> bool:
    try:
        return httpx.get(f"{stack.url()}/v2/health/ready").status_code == 200
    except httpx.HTTPError:
        return False


def executed(stack: RunningStack) -> int:
    """Return how many images the model has embedded, waited for or not."""
    document = httpx.get(f"{stack.url()}/v2/models/openclip_vit_b32/stats").json()["model_stats"][0]
    return sum(batch["batch_size"] * batch["compute_infer"]["count"] for batch in document["batch_stats"])


def metric(stack: RunningStack, name: str) -> float:
    """Return one of the server's own figures; 0 for one that has not happened yet."""
    text = httpx.get(f"{stack.url()}/metrics").text
    return sum(float(found) for found in re.findall(rf"^{re.escape(name)} (\S+)$", text, re.M))


def wait_for(stack: RunningStack, name: str, value: float) -> None:
    deadline = time.monotonic() + 30
    while (found := metric(stack, name)) != value:
        assert time.monotonic() < deadline, f"{name} is {found}, and never became {value}"
        time.sleep(0.05)


def wait_idle(stack: RunningStack) -> None:
    wait_for(stack, OUTSTANDING, 0)


def family(stack: RunningStack) -> list[psutil.Process]:
    return [process for process in stack.processes() if "server.pytorch" in command_line(process)]


def first(stack: RunningStack, part: str) -> psutil.Process:
    return next(process for process in family(stack) if part in command_line(process))


def test_what_does_not_fit_the_queue_is_refused_at_once(small: RunningStack, reference: Reference) -> None:
    rows = list(range(8))
    with ThreadPoolExecutor(24) as pool:
        answers = list(pool.map(lambda _: post(small, pixels(reference, rows)), range(24)))
    refused = [answer for answer in answers if answer.status_code == 503]
    served = [answer for answer in answers if answer.status_code == 200]
    assert len(refused) + len(served) == 24
    assert refused
    assert len(served) >= QUEUE // 8
    assert all(answer.headers["Retry-After"] for answer in refused)
    assert all("MAX_QUEUE_IMAGES" in answer.json()["error"] for answer in refused)
    assert all(right(answer, reference, rows) for answer in served)
    wait_idle(small)


def test_a_request_whose_client_left_is_not_embedded(small: RunningStack, reference: Reference) -> None:
    """The engine stands still until the client has left, so that it cannot have been too fast for this."""
    wait_idle(small)
    before, gone = executed(small), metric(small, GONE)
    engine = first(small, "server.pytorch.engine")
    body = pixels(reference, [1] * 8)
    with ThreadPoolExecutor(1) as pool:
        engine.suspend()
        try:
            busy = pool.submit(post, small, pixels(reference, [0] * 32))
            wait_for(small, OUTSTANDING, 32)
            with socket.create_connection(("127.0.0.1", small.ports["pytorch"])) as leaving:
                head = f"POST {body.path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body.data)}\r\n"
                head += "".join(f"{name}: {value}\r\n" for name, value in body.headers.items())
                leaving.sendall(head.encode() + b"\r\n" + body.data)
                wait_for(small, OUTSTANDING, 40)
            wait_for(small, GONE, gone + 1)
        finally:
            engine.resume()
        assert busy.result().status_code == 200
    wait_idle(small)
    assert executed(small) - before == 32


def test_a_client_that_leaves_in_the_middle_of_its_body_is_no_error(small: RunningStack, reference: Reference) -> None:
    body = pixels(reference, [0])
    with socket.create_connection(("127.0.0.1", small.ports["pytorch"])) as leaving:
        head = f"POST {body.path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body.data)}\r\n\r\n"
        leaving.sendall(head.encode() + body.data[:1000])
        time.sleep(0.1)
    assert post(small, body).status_code == 200
    wait_idle(small)
    assert "failed" not in small.log.read_text()


def test_counters_are_those_of_all_workers(small: RunningStack, reference: Reference) -> None:
    def counted() -> tuple[float, int]:
        text = httpx.get(f"{small.url()}/metrics").text
        (found,) = re.findall(
            r'^bakeoff_requests_total{model="openclip_vit_b32_encoded",outcome="success"} (.*)$', text, re.M
        )
        stats = httpx.get(f"{small.url()}/v2/models/openclip_vit_b32_encoded/stats").json()["model_stats"][0]
        return float(found), stats["inference_stats"]["success"]["count"]

    body = body_of_files([reference.files[0]])
    before = counted()
    for _ in range(12):  # each on a connection of its own, so that both workers have a part
        assert post(small, body).status_code == 200
    assert {tuple(after - b for after, b in zip(counted(), before, strict=True)) for _ in range(6)} == {(12, 12)}


@contextmanager
def replaced_alone(stack: RunningStack, part: str) -> Iterator[psutil.Process]:
    """Give one process of the server to be ended; at last another one has its place, and none else was touched."""
    dead = first(stack, part)
    others = {one.pid for one in family(stack)} - {dead.pid}
    yield dead
    deadline = time.monotonic() + 60
    while len({one.pid for one in family(stack)} - {dead.pid}) <= len(others):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    now = {one.pid for one in family(stack)}
    assert others < now
    assert sum(part in command_line(one) for one in family(stack)) == (2 if "worker" in part else 1)


def test_a_killed_worker_is_replaced_alone_and_the_server_stays_ready(
    small: RunningStack, reference: Reference
) -> None:
    with replaced_alone(small, "server.pytorch.worker") as dead:
        dead.kill()
        dead.wait(10)
        end = time.monotonic() + 8
        while time.monotonic() < end:
            assert small.ready()[0] == 200
            assert right(post(small, pixels(reference, [1])), reference, [1])


def test_a_killed_engine_is_loaded_again_while_the_workers_say_so(small: RunningStack, reference: Reference) -> None:
    with replaced_alone(small, "server.pytorch.engine") as dead:
        dead.kill()
        document = small.wait(503, 10)
        assert "the engine has stopped and loads the model again" in document["note"]
        answer = post(small, pixels(reference, [1]))
        assert answer.status_code == 503
        assert answer.headers["Retry-After"]
        assert answer.json()["error"].startswith("the engine has stopped")
        while not loaded(small):
            assert post(small, pixels(reference, [1])).status_code in (200, 503)  # the port stays open
    document = small.wait(200)
    assert "note" not in document
    assert right(post(small, pixels(reference, [2])), reference, [2])
    wait_idle(small)


def test_a_worker_that_hangs_is_not_ready_and_is_replaced_alone(small: RunningStack, reference: Reference) -> None:
    with replaced_alone(small, "server.pytorch.worker") as hanging:
        hanging.suspend()
        document = small.wait(503, 10)
        assert "hangs; after HANG_TIMEOUT_S it is replaced" in document["note"]
        hanging.wait(40)
        small.wait(200)
    assert right(post(small, pixels(reference, [3])), reference, [3])


def test_stopping_answers_everything_that_was_accepted(exported: Path, reference: Reference, tmp_path: Path) -> None:
    other = start(same_model(exported, tmp_path), 17_000, BACKENDS="pytorch", PRECISION=PRECISION)
    try:
        other.wait(200)
        rows = [0, 1, 2]
        answers: list[httpx.Response] = []
        refused: list[Exception] = []

        def ask() -> None:
            while not refused:
                try:
                    answers.append(post(other, pixels(reference, rows)))
                except httpx.ConnectError as error:
                    refused.append(error)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + 60
        while len(answers) < 5:  # with the four that are on their way then
            assert time.monotonic() < deadline
            time.sleep(0.05)
        other.process.send_signal(signal.SIGTERM)
        assert other.process.wait(12) == 0
        for thread in threads:
            thread.join(10)
        served = [answer for answer in answers if answer.status_code == 200]
        assert len(served) > 4
        assert {answer.status_code for answer in answers} <= {200, 503}
        assert all(right(answer, reference, rows) for answer in served)
    finally:
        other.stop()


def test_a_request_that_takes_too_long_is_given_up(exported: Path, reference: Reference, tmp_path: Path) -> None:
    other = start(
        same_model(exported, tmp_path),
        18_000,
        BACKENDS="pytorch",
        PRECISION=PRECISION,
        REQUEST_TIMEOUT_S="0.001",
    )
    try:
        deadline = time.monotonic() + 60
        while not loaded(other):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        while (answer := post(other, pixels(reference, [0] * 64))).status_code == 503:  # beside the gate's own
            assert time.monotonic() < deadline
        assert answer.status_code == 504
        assert "REQUEST_TIMEOUT_S" in answer.json()["error"]
    finally:
        other.stop()
