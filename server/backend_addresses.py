"""Where the three backends are found: names, programs and ports, in one table."""

from dataclasses import dataclass

from server import keys
from server.addresses import netloc, reached_at
from server.settings import BackendName, Settings


@dataclass(frozen=True)
class BackendAddress:
    """Where one backend is found.

    Attributes:
        name: the key in `/ready` and on the command line.
        title: the name for people.
        program: the supervisord program that runs it.
        host: the address a client on this machine connects to.
        http_port, grpc_port, metrics_port: where it listens; `grpc_port` is None where it has no gRPC.
        repository: folder under `model_repository/`, or None when it is not a Triton.
    """

    name: BackendName
    title: str
    program: str
    host: str
    http_port: int
    grpc_port: int | None
    metrics_port: int
    repository: str | None

    @property
    def service(self) -> str:
        """Name in traces (OpenTelemetry's `service.name`)."""
        return f"clip-bakeoff-{self.name}"

    @property
    def url(self) -> str:
        """Base URL of its HTTP port, as seen from this machine."""
        return f"http://{netloc(self.host, self.http_port)}"

    @property
    def grpc_url(self) -> str | None:
        """`host:port` of its gRPC port, as seen from this machine."""
        return netloc(self.host, self.grpc_port) if self.grpc_port else None


def addresses(settings: Settings) -> dict[BackendName, BackendAddress]:
    """Return the enabled backends in their fixed order."""
    host = reached_at(settings.host)
    table = (
        BackendAddress(
            "pytorch",
            "FastAPI, PyTorch",
            "pytorch",
            host,
            settings.pytorch_http_port,
            None,
            settings.pytorch_http_port,
            None,
        ),
        BackendAddress(
            "onnx",
            "Triton, ONNX Runtime",
            "triton-onnx",
            host,
            settings.onnx_http_port,
            settings.onnx_grpc_port,
            settings.onnx_metrics_port,
            "onnx",
        ),
        BackendAddress(
            "tensorrt",
            "Triton, TensorRT",
            "triton-tensorrt",
            host,
            settings.tensorrt_http_port,
            settings.tensorrt_grpc_port,
            settings.tensorrt_metrics_port,
            "tensorrt",
        ),
    )
    return {backend.name: backend for backend in table if backend.name in settings.backends}


def protects_metrics(settings: Settings) -> bool:
    """Tell whether the Tritons' metrics, which ask for no key, are for this machine only."""
    return bool(settings.keys) and settings.protect_metrics


def metrics_host(backend: BackendAddress, settings: Settings) -> str:
    """Return the address at which a client on this machine finds a backend's metrics."""
    return "127.0.0.1" if backend.repository and protects_metrics(settings) else backend.host


def own_header(backend: BackendAddress, settings: Settings) -> dict[str, str]:
    """Return the header by which a program of the stack opens a backend of it; empty when the ports are open."""
    return keys.own_header(settings.keys, triton=backend.repository is not None)


def pytorch_url(settings: Settings) -> str:
    """Return the base URL of port 8002, which serves `/ready` for the whole container."""
    return f"http://{netloc(reached_at(settings.host), settings.pytorch_http_port)}"
