"""Where the backends are found."""

import pytest

from server.backend_addresses import addresses
from server.settings import Settings


@pytest.mark.parametrize(
    ("key", "protect", "expected"), [("", True, "10.0.0.1"), ("k", True, "127.0.0.1"), ("k", False, "10.0.0.1")]
)
def test_protected_metrics_of_a_triton_are_on_this_machine_only(key: str, protect: bool, expected: str) -> None:
    settings = Settings(host="10.0.0.1", api_key=key, protect_metrics=protect)
    table = addresses(settings)
    assert table["onnx"].metrics_host == table["tensorrt"].metrics_host == expected
    assert table["pytorch"].metrics_host == "10.0.0.1"
