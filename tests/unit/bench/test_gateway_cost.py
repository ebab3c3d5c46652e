"""What the gateway is said to cost is the difference that there is, and only what was answered is measured."""

import re

import pytest

from bench.errors import BenchError
from bench.server.gateway import measure_lone
from bench.server.requests import body_of_pixels
from tests.doubles.running import sleeping_server
from tests.doubles.triton import refusal, triton_thread

BODIES = [body_of_pixels([bytes(3 * 224 * 224)])]


def test_the_difference_of_two_servers_is_found() -> None:
    with sleeping_server(mean_ms=10) as triton, sleeping_server(mean_ms=40) as gateway:
        lone = measure_lone(triton.url, gateway.url, BODIES, 10)
    assert 9 < lone.triton_ms < lone.gateway_ms
    assert 15 < lone.difference_ms < 100


def test_an_error_is_no_figure() -> None:
    with triton_thread() as triton, triton_thread() as other:
        other.usual = refusal(503, "not now")
        urls = [f"http://127.0.0.1:{one.port}" for one in (triton, other)]
        with pytest.raises(BenchError, match=re.escape(f"{urls[1]} answers 503")):
            measure_lone(urls[0], urls[1], BODIES, 10)
    with pytest.raises(BenchError, match="does not answer"):
        measure_lone(urls[0], urls[1], BODIES, 10)
