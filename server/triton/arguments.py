"""tritonserver's command line for one backend."""

from pathlib import Path

from server.backends import Backend
from server.settings import BackendName, Settings

EXIT_SHARE = 0.5
"""Part of STOP_TIMEOUT that Triton waits for open connections; unloading its models takes the rest."""

TRACES_PATH = "/v1/traces"
"""Where a collector takes traces by OTLP over HTTP (OpenTelemetry Protocol specification)."""

STUB_START_TIMEOUT_S = 120
"""A Python model's process imports for a while on a slow or busy machine; Triton's own limit is 30 s."""

MODEL_CONTROL: dict[BackendName, tuple[str, ...]] = {
    "onnx": ("--model-control-mode=none", "--exit-on-error=true"),
    # Alive at once; ready when the gate has put the engine in place. A restart finds the engine by itself.
    "tensorrt": ("--model-control-mode=explicit", "--load-model=*", "--exit-on-error=false"),
}


def shared_memory_prefix(backend: Backend) -> str:
    """Return the prefix of this backend's files in /dev/shm, its own for every port."""
    return f"bakeoff-{backend.name}-{backend.http_port}-"


def arguments(backend: Backend, settings: Settings, *, repository: Path, backends: Path) -> list[str]:
    """Return the arguments after the program's name.

    Args:
        repository: the rendered model repository.
        backends: the folder of backends.
    """
    return [
        f"--model-repository={repository}",
        f"--backend-directory={backends}",
        f"--backend-config=python,shm-region-prefix-name={shared_memory_prefix(backend)}",
        f"--backend-config=python,stub-timeout-seconds={STUB_START_TIMEOUT_S}",
        f"--http-address={settings.host}",
        f"--http-port={backend.http_port}",
        f"--grpc-address={settings.host}",
        f"--grpc-port={backend.grpc_port}",
        f"--metrics-address={settings.host}",
        f"--metrics-port={backend.metrics_port}",
        f"--exit-timeout-secs={max(1, int(settings.stop_timeout * EXIT_SHARE))}",
        f"--log-verbose={1 if settings.log_level == 'debug' else 0}",
        f"--log-info={'true' if settings.log_level in ('debug', 'info') else 'false'}",
        # Off by default, and the only percentiles that a Triton tells; the gate and the dashboard show them.
        "--metrics-config=summary_latencies=true",
        "--metrics-config=summary_quantiles=0.5:0.02,0.9:0.01,0.99:0.001",
        *_tracing(backend, settings),
        *MODEL_CONTROL[backend.name],
    ]


def _tracing(backend: Backend, settings: Settings) -> list[str]:
    """Return what has Triton send its own spans; it takes over the trace that a request's `traceparent` names."""
    if not settings.otlp_endpoint:
        return []
    return [
        "--trace-config=mode=opentelemetry",
        "--trace-config=level=TIMESTAMPS",
        f"--trace-config=rate={settings.trace_rate}",
        f"--trace-config=opentelemetry,url={settings.otlp_endpoint}{TRACES_PATH}",
        f"--trace-config=opentelemetry,resource=service.name={backend.service}",
    ]
