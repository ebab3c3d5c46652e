import pytest

from bench.addresses import Addresses, parse_ports, parse_urls, reachable, with_mapped_ready
from bench.errors import BenchError

USUAL = "http://127.0.0.1:8002"


@pytest.mark.parametrize(
    ("asked", "reached"),
    [
        ("http://localhost:8002", "http://127.0.0.1:8010"),
        ("http://gpu.example:8002", "http://gpu.example:8010"),
        ("http://[2001:db8::1]:8002", "http://[2001:db8::1]:8010"),
    ],
)
def test_a_remote_stack_s_loopback_addresses_are_at_its_host(asked: str, reached: str) -> None:
    assert reachable("http://127.0.0.1:8010", asked, {}) == reached


def test_a_mapped_port_is_where_the_map_says() -> None:
    ports = parse_ports(["8010=40123", "8011=other.example:40124", "8002=40002"], "http://gpu.example:8002")
    assert ports == {8010: ("gpu.example", 40123), 8011: ("other.example", 40124), 8002: ("gpu.example", 40002)}
    addresses = Addresses(with_mapped_ready("http://gpu.example:8002", ports), ports)
    assert addresses.ready_url == "http://gpu.example:40002"
    assert addresses.http("onnx", "http://127.0.0.1:8010") == "http://gpu.example:40123"
    assert addresses.grpc("127.0.0.1:8011") == "other.example:40124"
    assert addresses.http("tensorrt", "http://127.0.0.1:8020") == "http://gpu.example:8020"


def test_a_named_url_is_stronger_than_all() -> None:
    base, named = parse_urls(["https://proxy.example/stack/", "onnx=https://proxy.example/onnx"], USUAL)
    assert (base, named) == ("https://proxy.example/stack", {"onnx": "https://proxy.example/onnx"})
    addresses = Addresses(base, {8010: ("x", 1)}, named)
    assert addresses.http("onnx", "http://127.0.0.1:8010") == "https://proxy.example/onnx"


def test_a_plain_address_is_completed_and_none_is_the_usual_one() -> None:
    assert parse_urls(["gpu.example:8002"], USUAL) == ("http://gpu.example:8002", {})
    assert parse_urls([], USUAL) == (USUAL, {})
    assert parse_urls(["http://h:1/?key=value"], USUAL) == ("http://h:1/?key=value", {})


@pytest.mark.parametrize(
    ("entries", "says"),
    [(["http://"], "not understood"), (["http://a", "http://b"], "names two stacks"), (["http://me:pw@h"], "password")],
)
def test_urls_that_are_none_are_refused(entries: list[str], says: str) -> None:
    with pytest.raises(BenchError, match=says):
        parse_urls(entries, USUAL)


@pytest.mark.parametrize("entry", ["8010", "8010=", "a=b", "8010=host:"])
def test_port_maps_that_are_none_are_refused(entry: str) -> None:
    with pytest.raises(BenchError, match="write 8010=40123 or 8010=HOST:40123"):
        parse_ports([entry], USUAL)


def test_a_key_is_sent_as_a_bearer() -> None:
    assert Addresses(USUAL, api_key="secret").headers == {"Authorization": "Bearer secret"}
    assert Addresses(USUAL).headers == {}
