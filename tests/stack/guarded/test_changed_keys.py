"""Keys change while a stack runs: 8002 follows its key file, Triton keeps the first key of the start, and nothing is disturbed."""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from server.model.reference import Reference
from server.oip.spec import PIXEL_MODEL
from tests.stack.guarded.conftest import KEYS
from tests.stack.stack import RunningStack

TIMEOUT_S = 20


@pytest.fixture
def key_file(guarded: RunningStack) -> Iterator[Path]:
    """The stack's file of keys, as it was again for the tests after this one."""
    file = Path(guarded.environment["API_KEY_FILE"])
    before = file.read_text()
    yield file
    file.write_text(before)
    wait_until(lambda: all(status(guarded, key) == 200 for key in KEYS))
    guarded.headers = bearer(KEYS[0])


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def status(stack: RunningStack, key: str) -> int:
    return httpx.get(f"{stack.url()}/ready", headers=bearer(key)).status_code


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_the_start_says_that_triton_knows_the_first_key_only(guarded: RunningStack) -> None:
    log = guarded.log.read_text()
    assert re.search(r"access: every port but liveness asks for a key \(2 known\); Triton knows the first only", log)
    assert re.search(r"\[triton-onnx\] .*2 keys are known, and Triton knows the first only", log)


def test_every_key_may_be_another_without_a_restart(
    guarded: RunningStack, key_file: Path, reference: Reference
) -> None:
    """Connections that are open already go by the new keys too, and the gate, which has the old ones, sees nothing of it."""
    supervisord = psutil.Process(guarded.process.pid)
    programs = supervisord.children()
    ready_lines = guarded.log.read_text().count("bakeoff: ready\n")
    with httpx.Client(base_url=guarded.url()) as opened_before, httpx.Client(base_url=guarded.url()) as another:
        for client in (opened_before, another):
            assert client.get("/ready", headers=bearer(KEYS[1])).status_code == 200
        key_file.write_text("third-key\n")
        wait_until(lambda: status(guarded, "third-key") == 200)
        assert opened_before.get("/ready", headers=bearer("third-key")).status_code == 200
        assert another.get("/ready", headers=bearer(KEYS[1])).status_code == 401
        assert [status(guarded, key) for key in KEYS] == [401, 401]
    guarded.headers = bearer("third-key")
    on_triton = f"{guarded.url('onnx')}/v2/models/{PIXEL_MODEL}/stats"
    assert [httpx.get(on_triton, headers=bearer(key)).status_code for key in (KEYS[0], "third-key")] == [200, 403]
    tried = httpx.post(f"{guarded.url()}/try", content=reference.files[0], headers=guarded.headers, timeout=60)
    assert [name for name, found in tried.json()["backends"].items() if "embedding" in found] == ["pytorch", "onnx"]
    wait_until(lambda: guarded.bakeoff("health").returncode == 0)
    time.sleep(3)  # the gate has looked at everything several times, and had a photo embedded
    assert guarded.ready()[0] == 200
    assert supervisord.children() == programs
    log = guarded.log.read_text()
    assert log.count("bakeoff: ready\n") == ready_lines
    assert "Triton goes on with the first key of the start, until the stack is started again" in log


def test_a_damaged_file_of_keys_shuts_nobody_out(guarded: RunningStack, key_file: Path) -> None:
    key_file.write_text("")
    wait_until(lambda: "the keys stay as they were" in guarded.log.read_text())
    assert [status(guarded, key) for key in (*KEYS, "wrong")] == [200, 200, 401]
