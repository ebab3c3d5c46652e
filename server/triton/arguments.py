"""tritonserver's command line for one backend."""

from collections.abc import Container
from pathlib import Path

from server.addresses import netloc
from server.backend_addresses import BackendAddress, protects_metrics
from server.keys import ADMIN_HEADER, AUTHORIZATION, SCHEME, configured_triton_key
from server.processes import segments
from server.settings import Settings
from server.stop import stop_plan
from server.triton.runtimes import RUNTIMES

BODY_LIMIT = "http-max-input-size"
LARGEST_INTEGER = 2**31 - 1
"""Of most of Triton's options."""

MIB = 2**20

STUB_START_TIMEOUT_S = 120
"""A Python model's process imports for a while on a slow or busy machine; Triton's own limit is 30 s."""

ADMINISTRATION = ("model-repository", "trace", "logging")
"""Triton's API groups that change the server or read its files; closed to everybody but the gate, key or no key."""

SERVICE = ("inference", "metadata", "model-config", "statistics")
"""The groups that a key opens. `health` stays open: it holds liveness, and Triton restricts groups as a whole."""

SHARED_MEMORY = "shared-memory"


def arguments(
    backend: BackendAddress, settings: Settings, *, repository: Path, backends: Path, known: Container[str]
) -> list[str]:
    """Return the arguments after the program's name.

    Args:
        repository: the rendered model repository.
        backends: the folder of backends.
        known: the options that this tritonserver has.
    """
    return [
        f"--model-repository={repository}",
        f"--backend-directory={backends}",
        f"--backend-config=python,shm-region-prefix-name={segments.prefix(backend)}",
        f"--backend-config=python,stub-timeout-seconds={STUB_START_TIMEOUT_S}",
        f"--http-address={_http_address(settings.host)}",
        f"--http-port={backend.http_port}",
        f"--grpc-address={netloc(settings.host)}",
        f"--grpc-port={backend.grpc_port}",
        f"--metrics-address={_http_address(_metrics_host(settings))}",
        f"--metrics-port={backend.metrics_port}",
        f"--exit-timeout-secs={stop_plan(settings.stop_timeout).triton_exit_s}",
        f"--log-verbose={1 if settings.log_level == 'debug' else 0}",
        f"--log-info={'true' if settings.log_level in ('debug', 'info') else 'false'}",
        # Off by default, and the only percentiles that a Triton tells; the gate and the dashboard show them.
        "--metrics-config=summary_latencies=true",
        "--metrics-config=summary_quantiles=0.5:0.02,0.9:0.01,0.99:0.001",
        *_body_limit(settings, known),
        *_tracing(backend, settings),
        "--model-control-mode=explicit",  # so that the gate can unload what it drains
        "--load-model=*",
        # One that goes on is alive at once, and ready when the gate has put the engine in place; a restart finds it by itself.
        f"--exit-on-error={str(RUNTIMES[backend.name].exits_on_error).lower()}",
    ]


def restrictions(settings: Settings, admin: str) -> list[str]:
    """Return the arguments that close Triton's API groups; they hold secrets.

    Triton compares one header with one value, so the first key is the one it knows.
    """
    service, administration = list(SERVICE), list(ADMINISTRATION)
    (service if settings.allow_shared_memory else administration).append(SHARED_MEMORY)
    rules = [f"{','.join(administration)}:{ADMIN_HEADER}={admin}"]
    if (key := configured_triton_key(settings.keys)) is not None:
        rules.append(f"{','.join(service)}:{AUTHORIZATION}={SCHEME}{key}")
    return [f"--{option}={rule}" for option in ("http-restricted-api", "grpc-restricted-protocol") for rule in rules]


def _http_address(host: str) -> str:
    """Return `host` as Triton's HTTP library takes it; anything else it cannot read is 255.255.255.255 to it."""
    return f"ipv6:{host}" if ":" in host else host


def _metrics_host(settings: Settings) -> str:
    return "127.0.0.1" if protects_metrics(settings) else settings.host


def _body_limit(settings: Settings, known: Container[str]) -> list[str]:
    """Return what raises the limit that newer versions have, 64 MiB, on bodies of JSON and on raw ones."""
    limit = min(settings.max_body_mb * MIB, LARGEST_INTEGER)
    return [f"--{BODY_LIMIT}={limit}"] if BODY_LIMIT in known else []


def _tracing(backend: BackendAddress, settings: Settings) -> list[str]:
    """Return what has Triton send its own spans; it takes over the trace that a request's `traceparent` names."""
    if not settings.otlp_endpoint:
        return []
    return [
        "--trace-config=mode=opentelemetry",
        "--trace-config=level=TIMESTAMPS",
        f"--trace-config=rate={settings.trace_rate}",
        f"--trace-config=opentelemetry,url={settings.traces_url}",
        f"--trace-config=opentelemetry,resource=service.name={backend.service}",
    ]
