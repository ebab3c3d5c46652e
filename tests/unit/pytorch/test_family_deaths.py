"""What a death costs on port 8002: parent and HTTP workers are real, the engines doubles, and all of them processes."""

import contextlib
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.unit.pytorch.served_family import DECODER, ENGINE, SOON_S, WORKER, Served, family, wait


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Two workers and two engines, of which one that takes another's place loads for two seconds."""
    with family(tmp_path_factory.mktemp("two"), ("--engines=2",), DOUBLE_LOADS_S="2") as served:
        yield served


@pytest.fixture
def served(two: Served) -> Iterator[Served]:
    """`two`, with everything in its place before and after."""

    def complete() -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return (len(two.members(WORKER)), len(two.members(ENGINE))) == (2, 2) and two.loaded()
        return False

    def all_loaded() -> bool:
        return all(child.status() != psutil.STATUS_STOPPED for child in two.members(ENGINE))

    wait(complete, 60)
    time.sleep(2.5)  # the second engine loads no longer than that
    wait(all_loaded)
    yield two
    two.clients.close()
    wait(complete, 60)
    assert two.metric("bakeoff_outstanding_images") == 0


def spread(served: Served, count: int) -> dict[int, list[httpx.Client]]:
    """Return clients with an open connection each, by the worker that has it."""
    found: dict[int, list[httpx.Client]] = {worker.pid: [] for worker in served.members(WORKER)}
    for number in range(count):
        client = served.client()
        assert served.right(number, client)
        found[served.place(client)].append(client)
    return found


def test_a_worker_that_died_is_replaced_alone_and_nobody_else_notices(served: Served) -> None:
    clients = spread(served, 8)
    assert [len(each) for each in clients.values()] == [4, 4]
    before = served.inferences()
    dying, other = served.members(WORKER)
    decoders = [child for child in dying.children() if DECODER in " ".join(child.cmdline())]
    assert decoders
    engines = [engine.pid for engine in served.members(ENGINE)]
    right, done = Counter[bool](), threading.Event()

    def ask(client: httpx.Client) -> None:
        while not done.is_set():
            right[served.right(7, client)] += 1

    threads = [threading.Thread(target=ask, args=(client,)) for client in clients[other.pid]]
    for thread in threads:
        thread.start()
    began = time.monotonic()
    dying.kill()
    while len(found := served.members(WORKER)) < 2 or found[0].pid == dying.pid:
        assert served.right(9)  # a new connection each, none of which is refused
    done.set()
    for thread in threads:
        thread.join()
    assert set(right) == {True}
    successor = found[0]
    mine: list[httpx.Client] = []
    while not mine:
        assert time.monotonic() - began < SOON_S
        client = served.client()
        assert served.right(3, client)
        mine += [client] if served.place(client) == successor.pid else []
    assert found[1].pid == other.pid
    assert [engine.pid for engine in served.members(ENGINE)] == engines
    assert served.inferences() > before
    assert psutil.wait_procs(decoders, timeout=10)[1] == []
    assert f"HTTP worker 0 ended with status {-signal.SIGKILL}; another one takes its place" in served.log.read_text()


def test_connections_of_a_worker_that_died_count_for_nobody(served: Served) -> None:
    clients = spread(served, 12)
    dying, other = served.members(WORKER)
    assert [len(each) for each in clients.values()] == [6, 6]
    dying.kill()
    dying.wait(10)
    wait(lambda: len(served.members(WORKER)) == 2)
    successor = served.members(WORKER)[0]
    places = []
    while successor.pid not in places:  # takes connections
        client = served.client()
        served.right(1, client)
        places.append(served.place(client))
    later = spread(served, 10)
    assert len(later[successor.pid]) >= 8  # it has fewest, so it gets the next
    assert other.pid in later


def test_what_was_given_to_a_worker_that_hangs_is_answered_by_its_successor(served: Served) -> None:
    clients = spread(served, 2)
    hanging, other = served.members(WORKER)
    hanging.suspend()
    answers: list[bool] = []

    def ask() -> None:
        answers.append(served.right(5))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:  # within the second in which the others do not know that it hangs
        thread.start()
    for _ in range(50):
        assert served.right(6, clients[other.pid][0])
    for thread in threads:
        thread.join()
    assert answers == [True] * 6
    wait(lambda: hanging.pid not in [worker.pid for worker in served.members(WORKER)])
    assert "HTTP worker 0 has hung for 3 s (HANG_TIMEOUT_S) and is killed" in served.log.read_text()
    assert served.members(WORKER)[-1].pid == other.pid


def test_the_requests_of_an_engine_that_died_are_refused_in_words_and_the_other_engine_goes_on(served: Served) -> None:
    dying, other = served.members(ENGINE)
    workers = [worker.pid for worker in served.members(WORKER)]
    dying.suspend()
    answers: list[httpx.Response] = []
    threads = [threading.Thread(target=lambda: answers.append(served.embed(4))) for _ in range(6)]
    for thread in threads:
        thread.start()
    wait(lambda: served.metric("bakeoff_outstanding_images") >= 1)
    wait(lambda: len(answers) >= 2)
    dying.kill()
    for thread in threads:
        thread.join()
    refused = [answer for answer in answers if answer.status_code == 503]
    assert {answer.status_code for answer in answers} == {200, 503}
    assert {answer.json()["error"] for answer in refused} == {"the engine has stopped; it is being started again"}
    assert all(answer.headers["Retry-After"] for answer in refused)
    assert all(served.right(8) for _ in range(20))  # while its successor loads
    assert served.loaded()
    wait(lambda: len(served.members(ENGINE)) == 2)
    assert served.members(ENGINE)[1].pid == other.pid
    assert [worker.pid for worker in served.members(WORKER)] == workers


def test_without_its_only_worker_whoever_connects_waits_for_the_next(tmp_path: Path) -> None:
    with family(tmp_path, HTTP_WORKERS="1") as served:
        wait(lambda: not _error(served, 1) and served.right(1))
        counted = served.inferences()
        (dying,) = served.members(WORKER)
        dying.kill()
        dying.wait(10)
        assert [served.right(value) for value in range(3)] == [True] * 3
        assert served.inferences() == counted + 3
        assert served.metric("bakeoff_outstanding_images") == 0


def test_without_its_only_engine_the_workers_stay_and_say_so_and_one_that_dies_meanwhile_is_replaced(
    tmp_path: Path,
) -> None:
    with family(tmp_path, DOUBLE_LOADS_S="3") as served:
        lose_the_engine(served)


def lose_the_engine(served: Served) -> None:
    wait(lambda: "model" in _error(served, 1))
    assert _error(served, 1).startswith("the engine is still loading the model")
    wait(lambda: served.right(1))
    workers = [worker.pid for worker in served.members(WORKER)]
    served.members(ENGINE)[0].kill()
    wait(lambda: not served.loaded())
    assert _error(served, 2) == "the engine has stopped and loads the model again; ask GET /ready when to come back"
    assert httpx.get(f"{served.url}/ready").status_code == 503
    assert [worker.pid for worker in served.members(WORKER)] == workers
    dying = served.members(WORKER)[1]
    dying.kill()
    dying.wait(10)
    assert _error(served, 3) != NOBODY
    wait(lambda: served.right(3))
    wait(lambda: len(served.members(WORKER)) == 2)
    wait(lambda: {served.place(_asked(served)) for _ in range(4)} == {one.pid for one in served.members(WORKER)})


NOBODY = "nobody listens"


def _error(served: Served, value: int) -> str:
    try:
        answer = served.embed(value)
    except httpx.HTTPError:  # it starts
        return NOBODY
    return str(answer.json()["error"]) if answer.status_code == 503 else ""


def _asked(served: Served) -> httpx.Client:
    client = served.client()
    assert served.right(1, client)
    return client
