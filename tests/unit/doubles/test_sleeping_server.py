import time
from pathlib import Path

import httpx
import numpy as np
import pytest

from bench.addresses import Addresses
from bench.client.bodies import make_body
from bench.client.connections import HttpConnection, RefusedError
from bench.client.endpoint import Endpoint
from bench.photos import load_photos
from bench.scenarios import Input
from bench.targets import discover
from server.oip.counters import read_counters
from tests.doubles.running import sleeping_server

PHOTOS = Path(__file__).parents[3] / "photos"


@pytest.mark.parametrize("kind", ["encoded", "pixels"])
def test_the_benchmark_s_own_client_takes_it_for_a_backend(kind: Input) -> None:
    photos = load_photos(PHOTOS, 3).photos
    three, one, nine = (make_body(kind, "http", some) for some in (photos, photos[1:2], photos * 3))
    with sleeping_server(mean_ms=1, name="onnx", peer=["pytorch=http://127.0.0.1:1"]) as server:
        stack = discover(Addresses(server.url))
        assert [(one.name, one.url) for one in stack.ready] == [("onnx", server.url), ("pytorch", "http://127.0.0.1:1")]
        connection = HttpConnection(Endpoint(server.url))
        first, again = (connection.decode(connection.send(three), 3) for _ in range(2))
        single = connection.decode(connection.send(one), 1)
        assert np.array_equal(first, again)
        assert np.array_equal(first[1], single[0])
        assert abs(first @ first.T - np.eye(3)).max() < 0.3
        statistics = httpx.get(f"{server.url}/v2/models/{three.model}/stats").json()
        assert read_counters(statistics).successes == 3
        with pytest.raises(RefusedError, match="batch-size"):
            connection.decode(connection.send(nine), 9)
        connection.close()


def test_the_delays_it_tells_are_those_it_gave() -> None:
    """A client sees at least what it says it gave, in the order it says."""
    body = make_body("pixels", "http", load_photos(PHOTOS, 1).photos)
    seen = []
    with sleeping_server(mean_ms=5, distribution="lognormal", seed=3) as server:
        connection = HttpConnection(Endpoint(server.url))
        for _ in range(40):
            sent = time.monotonic()
            connection.decode(connection.send(body), 1)
            seen.append((sent, (time.monotonic() - sent) * 1e3))
        connection.close()
        delays = server.delays()
        server.forget()
        assert server.delays() == []
    assert len(delays) == 40
    for (sent, latency_ms), delay in zip(seen, delays, strict=True):
        assert delay["due_ms"] <= delay["given_ms"] <= latency_ms
        assert sent <= delay["arrived_s"] <= sent + latency_ms / 1e3
