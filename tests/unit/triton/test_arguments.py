"""tritonserver's command line."""

from pathlib import Path

from server.backends import backends
from server.settings import Settings
from server.triton.arguments import arguments, shared_memory_prefix


def command(name: str, **settings: object) -> list[str]:
    resolved = Settings(**settings)
    return arguments(backends(resolved)[name], resolved, repository=Path("/r"), backends=Path("/b"))


def test_every_port_is_bound_to_the_address_of_the_settings() -> None:
    found = command("onnx", host="10.0.0.1", onnx_http_port=9000)
    for kind in ("http", "grpc", "metrics"):
        assert f"--{kind}-address=10.0.0.1" in found
    assert "--http-port=9000" in found
    assert "--grpc-port=8011" in found


def test_tensorrt_is_alive_before_its_engine_is_there() -> None:
    found = command("tensorrt")
    assert {"--model-control-mode=explicit", "--load-model=*", "--exit-on-error=false"} <= set(found)
    assert "--http-port=8020" in found


def test_open_connections_are_not_waited_for_longer_than_the_stop_allows() -> None:
    (option,) = [argument for argument in command("onnx", stop_timeout=9) if argument.startswith("--exit-timeout-secs")]
    assert 1 <= int(option.partition("=")[2]) < 9 - 2


def test_two_stacks_do_not_share_shared_memory() -> None:
    prefixes = {
        shared_memory_prefix(backend)
        for port in (8010, 9010)
        for backend in backends(Settings(onnx_http_port=port)).values()
        if backend.repository
    }
    assert len(prefixes) == 3


def test_traces_are_sent_only_where_somebody_wants_them() -> None:
    def words(settings: Settings) -> list[str]:
        backend = backends(settings)["onnx"]
        return [
            word for word in arguments(backend, settings, repository=Path("r"), backends=Path("b")) if "trace" in word
        ]

    assert words(Settings()) == []
    wanted = words(Settings(otlp_endpoint="http://collector:4318", trace_rate=7))
    assert "--trace-config=mode=opentelemetry" in wanted
    assert "--trace-config=rate=7" in wanted
    assert "--trace-config=opentelemetry,url=http://collector:4318/v1/traces" in wanted
    assert "--trace-config=opentelemetry,resource=service.name=clip-bakeoff-onnx" in wanted
