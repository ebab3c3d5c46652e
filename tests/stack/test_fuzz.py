"""Damaged input by the hundred, in process and on every port: refused in words, by servers that stay as they are."""

import psutil
import pytest

from tests.chaos.fuzz import allowed, fuzz_cost, fuzz_images, fuzz_port, fuzz_requests
from tests.stack.stack import RunningStack


def test_damaged_input_in_process() -> None:
    found = fuzz_images(1_000, 11) + fuzz_requests(1_000, 11)
    assert sum(found.values()) == 2_000
    assert all(found.values())


def test_no_image_costs_more_than_its_pixels_and_bytes_explain() -> None:
    assert fuzz_cost(150, 11) == []


@pytest.mark.parametrize("images", [True, False], ids=["images", "requests"])
def test_damaged_input_on_the_port(served: RunningStack, backend: str, url: str, images: bool) -> None:
    served.wait(200)
    before = {process.pid for process in served.processes()}
    found = fuzz_port(url, {}, 150, 11, images=images)
    assert set(found) <= allowed("onnx" if backend == "onnx" else "pytorch", images=images), found
    assert found["400"]
    assert {process.pid for process in served.processes() if psutil.pid_exists(process.pid)} == before
    assert served.ready()[0] == 200
