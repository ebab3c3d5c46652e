"""Where the three backends are found, and what opens them to a program of the stack: one table."""

from dataclasses import dataclass, field

from server.addresses import netloc, reached_at
from server.keys import stack_header, triton_header
from server.setting_types import BackendName
from server.settings import Settings

PROGRAM_HEADER = "bakeoff-program"
"""In a request to port 8002, the program that it is for: while that hands the port to another, both take connections."""


@dataclass(frozen=True, kw_only=True)
class BackendAddress:
    """Where one backend is found.

    Attributes:
        name: the key in `/ready` and on the command line, and the folder under `model_repository/` of a Triton.
        title: the name for people.
        program: the supervisord program that runs it.
        host: the address a client on this machine connects to.
        http_port, grpc_port: where it listens; `grpc_port` is None where it has no gRPC.
        metrics_host, metrics_port: where a client on this machine finds its metrics.
        header: opens it to a program of the stack, and keeps another one on its port from answering.
    """

    name: BackendName
    title: str
    program: str
    host: str
    http_port: int
    grpc_port: int | None = None
    metrics_host: str
    metrics_port: int
    header: dict[str, str] = field(repr=False)

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

    @property
    def metrics_url(self) -> str:
        """URL of its metrics, as seen from this machine."""
        return f"http://{netloc(self.metrics_host, self.metrics_port)}/metrics"


def addresses(settings: Settings) -> dict[BackendName, BackendAddress]:
    """Return the enabled backends in their fixed order."""
    host = reached_at(settings.host)
    metrics_host = "127.0.0.1" if protects_metrics(settings) else host
    header = triton_header(settings.keys)
    table = (
        BackendAddress(
            name="pytorch",
            title="FastAPI, PyTorch",
            program="pytorch",
            host=host,
            http_port=settings.pytorch_http_port,
            metrics_host=host,
            metrics_port=settings.pytorch_http_port,
            header={PROGRAM_HEADER: "pytorch", **stack_header(settings.keys)},
        ),
        BackendAddress(
            name="onnx",
            title="Triton, ONNX Runtime",
            program="triton-onnx",
            host=host,
            http_port=settings.onnx_http_port,
            grpc_port=settings.onnx_grpc_port,
            metrics_host=metrics_host,
            metrics_port=settings.onnx_metrics_port,
            header=header,
        ),
        BackendAddress(
            name="tensorrt",
            title="Triton, TensorRT",
            program="triton-tensorrt",
            host=host,
            http_port=settings.tensorrt_http_port,
            grpc_port=settings.tensorrt_grpc_port,
            metrics_host=metrics_host,
            metrics_port=settings.tensorrt_metrics_port,
            header=header,
        ),
    )
    return {address.name: address for address in table if address.name in settings.backends}


def protects_metrics(settings: Settings) -> bool:
    """Tell whether the Tritons' metrics, which ask for no key, are for this machine only."""
    return bool(settings.keys) and settings.protect_metrics


def pytorch_url(settings: Settings) -> str:
    """Return the base URL of port 8002, which serves `/ready` for the whole container."""
    return f"http://{netloc(reached_at(settings.host), settings.pytorch_http_port)}"
