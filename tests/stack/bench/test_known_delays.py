"""The load generator against servers whose delays are known: what it says must be what they did."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from bench.client.endpoint import Endpoint
from bench.client.load import Load, Seen
from bench.client.pool import Clients
from bench.photos import PhotoSet, load_photos
from bench.scenarios import Scenario
from bench.schedule import schedule
from bench.verdicts import verdict
from tests import priority
from tests.doubles.running import RunningServer, sleeping_server

WITHIN = 0.02
LATE_MS = 3000
RUNS, ROUNDS = 20, 5
MEAN_MS = 2000
"""Long beside what a busy machine adds to a request, up to 15 ms: the client cannot see less than what it is made to wait."""


@pytest.fixture(scope="module", autouse=True)
def first() -> Iterator[None]:
    """A waiting process was woken 15 ms late beside two that compute, which is the scheduler's time and not the load generator's."""
    with priority.first(priority.WAITING):
        yield


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> PhotoSet:
    """Small ones: what they hold is nothing to a server that sleeps, and copying large ones takes a busy machine long."""
    folder = tmp_path_factory.mktemp("photos")
    for number in range(12):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(folder / f"{number}.png")
    return load_photos(folder, 12)


@pytest.fixture(scope="module")
def clients(photos: PhotoSet) -> Iterator[Clients]:
    with Clients(photos, processes=1) as pool:
        yield pool


def load(server: RunningServer, **changes: object) -> Load:
    usual = {
        "endpoint": Endpoint(server.url), "input": "encoded", "transport": "http", "batch": 1, "connections": 16,
        "serial": 1, "settle_s": 0.2, "window_s": 12.0, "min_requests": 1,
    }  # fmt: skip
    return Load(**(usual | changes))  # type: ignore[arg-type]


def measured(clients: Clients, server: RunningServer, asked: Load) -> tuple[Seen, npt.NDArray[np.float64]]:
    """Apply a load; return what the client saw, and what the server gave to the requests that began in the window."""
    started: list[float] = []
    server.forget()
    seen = clients.apply(asked, lambda: started.append(time.monotonic()))
    begin = started[0] + asked.settle_s
    given = [
        delay["given_ms"] + delay["reading_ms"]
        for delay in server.delays()
        if begin <= delay["arrived_s"] - delay["reading_ms"] / 1e3 < begin + asked.window_s + 0.02
    ]
    return seen, np.array(given)


def assert_same_percentiles(seen: Seen, given_ms: npt.NDArray[np.float64]) -> None:
    assert seen.failures == 0
    assert len(seen.latencies_s) == pytest.approx(len(given_ms), rel=0.02)
    for percent in (50, 90, 99):
        ours = np.percentile(seen.latencies_s * 1e3, percent)
        assert ours == pytest.approx(np.percentile(given_ms, percent), rel=WITHIN), f"p{percent}"


def test_a_closed_loop_gives_the_server_s_percentiles_back(clients: Clients) -> None:
    # Throughput is the sum of each connection's own rate; six uneven requests of one would give more than its share (Jensen).
    with sleeping_server(mean_ms=MEAN_MS, distribution="lognormal", sigma=0.2, seed=2) as server:
        seen, given_ms = measured(clients, server, load(server, connections=64))
    assert_same_percentiles(seen, given_ms)
    assert seen.images_per_s == pytest.approx(64 / np.mean(given_ms / 1e3), rel=2 * WITHIN)


def test_an_open_loop_gives_the_server_s_percentiles_back(clients: Clients) -> None:
    with sleeping_server(mean_ms=MEAN_MS, distribution="lognormal", sigma=0.4, seed=3) as server:
        seen, given_ms = measured(clients, server, load(server, connections=128, per_s=30.0, seed=4))
    assert_same_percentiles(seen, given_ms)


def test_a_stall_of_two_seconds_is_charged_for_everybody_who_would_have_waited(clients: Clients) -> None:
    """One in flight sees the stall once in hundreds of requests; people who come when they come see it far more often."""
    with sleeping_server(mean_ms=MEAN_MS, stall_after_s=3, stall_s=2) as server:
        seen, given_ms = measured(clients, server, load(server, connections=128, per_s=20.0, seed=5, bound_ms=LATE_MS))
    assert_same_percentiles(seen, given_ms)
    late = np.sum(given_ms > LATE_MS)
    assert late > 15
    assert seen.over == pytest.approx(late, abs=1)
    assert np.percentile(seen.latencies_s, 99) > 3.5


def test_one_in_flight_alone_would_hide_the_stall(clients: Clients) -> None:
    with sleeping_server(mean_ms=20, stall_after_s=2, stall_s=2) as server:
        seen, _ = measured(clients, server, load(server, connections=1, window_s=7.0))
    assert np.sum(seen.latencies_s > 0.2) == 1
    assert np.percentile(seen.latencies_s, 99) < 0.1


def winners(run: int, servers: dict[str, RunningServer], photos: PhotoSet) -> tuple[str | None, str | None]:
    """Return who wins in one run: among two that are equal, and against one that is slower.

    As the benchmark does it in `single`: 5 rounds, in random order, decided by paired differences of the medians.
    """
    scenario = Scenario(kind="single", input="encoded")
    scores: dict[str, list[float]] = {name: [] for name in servers}
    with Clients(photos, processes=1) as clients:
        for slots in schedule({scenario: list(servers)}, ROUNDS, seed=run):
            for slot in slots:
                asked = load(
                    servers[slot.backend],
                    connections=3,
                    serial=run * 10 + slot.round,
                    settle_s=0.05,
                    window_s=MEAN_MS / 1e3,
                )
                seen = clients.apply(asked)
                assert seen.failures == 0
                scores[slot.backend].append(1 / float(np.median(seen.latencies_s)))
    equal, unequal = ({name: scores[name] for name in ("one", other)} for other in ("same", "slower"))
    return verdict(scenario, equal, {}).winner, verdict(scenario, unequal, {}).winner


def test_identical_backends_tie_and_a_ten_percent_slower_one_loses_in_19_of_20_runs(photos: PhotoSet) -> None:
    """All runs side by side, as they do nothing but wait: a server that sleeps serves any number at once."""
    usual = {"mean_ms": MEAN_MS, "distribution": "lognormal", "sigma": 0.01}
    with (
        sleeping_server(**usual, seed=11) as one,
        sleeping_server(**usual, seed=12) as same,
        sleeping_server(**usual, seed=13, slower_percent=10) as slower,
        ThreadPoolExecutor(RUNS) as side_by_side,
    ):
        servers = {"one": one, "same": same, "slower": slower}
        decided = list(side_by_side.map(lambda run: winners(run, servers, photos), range(RUNS)))
    assert sum(among_equals is None for among_equals, _ in decided) >= 19
    assert sum(against_slower == "one" for _, against_slower in decided) >= 19
