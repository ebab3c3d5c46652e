import http.client
import time
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest

from bench.client import Client, check, request
from bench.photos import load_photos
from bench.scenarios import Input
from bench.targets import discover
from tests.doubles.running import sleeping_server

PHOTOS = Path(__file__).parents[3] / "photos"


@pytest.mark.parametrize("kind", ["encoded", "pixels"])
def test_the_benchmark_s_own_client_takes_it_for_a_backend(kind: Input) -> None:
    photos = load_photos(PHOTOS, 3).photos
    with sleeping_server(mean_ms=1, name="onnx", peer=["pytorch=http://127.0.0.1:1"]) as server:
        stack = discover(server.url)
        assert [(one.name, one.url) for one in stack.ready] == [("onnx", server.url), ("pytorch", "http://127.0.0.1:1")]
        with Client(server.url, 10) as client:
            first, again = (check(client.embed(request(kind, photos)), 3) for _ in range(2))
            single = check(client.embed(request(kind, photos[1:2])), 1)
            assert np.array_equal(first, again)
            assert np.array_equal(first[1], single[0])
            assert abs(first @ first.T - np.eye(3)).max() < 0.3
            model = request(kind, photos).model
            assert client.counters(model)[model].successes == 3
            with pytest.raises(Exception, match="batch-size"):
                client.embed(request(kind, photos * 3))


def test_the_delays_it_tells_are_those_it_gave() -> None:
    """A raw socket asks it and sees at least what it says it gave, in the order it says."""
    body = request("pixels", load_photos(PHOTOS, 1).photos)
    data, length = body.inputs[0]._get_binary_data(), 0
    document = b'{"inputs":[{"name":"image","datatype":"UINT8","shape":[1,3,224,224],"parameters":{"binary_data_size":150528}}]}'
    length = len(document)
    seen = []
    with sleeping_server(mean_ms=5, distribution="lognormal", seed=3) as server:
        connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=10)
        for _ in range(40):
            sent = time.monotonic()
            connection.request(
                "POST",
                f"/v2/models/{body.model}/infer",
                document + data,
                {"Inference-Header-Content-Length": str(length)},
            )
            assert connection.getresponse().read()
            seen.append((sent, (time.monotonic() - sent) * 1e3))
        connection.close()
        delays = server.delays()
        server.forget()
        assert server.delays() == []
    assert len(delays) == 40
    for (sent, latency_ms), delay in zip(seen, delays, strict=True):
        assert delay["due_ms"] <= delay["given_ms"] <= latency_ms
        assert sent <= delay["arrived_s"] <= sent + latency_ms / 1e3
