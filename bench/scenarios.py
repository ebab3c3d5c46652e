"""What is measured: each scenario is one kind of load. The names are MLPerf's where it has one."""

from typing import Literal

from bench.records import Record

Kind = Literal["single", "batch", "concurrency", "server", "offline", "wan"]
Input = Literal["encoded", "pixels"]
Transport = Literal["http", "grpc"]
Metric = Literal["p50_ms", "images_per_s"]

INPUTS: tuple[Input, ...] = ("encoded", "pixels")
TRANSPORTS: tuple[Transport, ...] = ("http", "grpc")
TITLES: dict[Input, str] = {"encoded": "encoded photos", "pixels": "pixels"}

METRICS: dict[Kind, Metric] = {
    "single": "p50_ms",
    "batch": "images_per_s",
    "concurrency": "images_per_s",
    "server": "images_per_s",
    "offline": "images_per_s",
    "wan": "p50_ms",
}
"""The figure by which a scenario is decided, of each round."""


class Scenario(Record):
    """One kind of load.

    Attributes:
        kind: `single` (batch 1, one in flight; MLPerf's SingleStream), `batch` (one in flight), `concurrency` (batch 1),
            `server` (Poisson arrivals of batch 1, the highest rate within a latency bound; MLPerf's Server), `offline`
            (maximum throughput; MLPerf's Offline) or `wan` (batch 1, one in flight, over a slow and distant link).
        input: `encoded` sends image files as they are, `pixels` sends UINT8 `[N, 3, 224, 224]`.
        transport: the protocol under the Open Inference Protocol.
        batch: images per request, N.
        in_flight: requests kept in flight (closed loop); None for the open loop of `server`.
    """

    kind: Kind
    input: Input
    transport: Transport = "http"
    batch: int = 1
    in_flight: int | None = 1

    @property
    def name(self) -> str:
        """Unique short name, such as `batch-encoded-http-b8`, `concurrency-pixels-grpc-c16`, `server-pixels-http`."""
        parts: list[str] = [self.kind, self.input, self.transport]
        if self.kind in ("batch", "offline"):
            parts.append(f"b{self.batch}")
        if self.kind in ("concurrency", "offline"):
            parts.append(f"c{self.in_flight}")
        return "-".join(parts)

    @property
    def title(self) -> str:
        """Name for people, such as `batch 8, encoded photos` or `16 in flight, pixels, gRPC`."""
        what = {
            "single": "single",
            "batch": f"batch {self.batch}",
            "concurrency": f"{self.in_flight} in flight",
            "server": "server",
            "offline": "offline",
            "wan": "wan",
        }[self.kind]
        return ", ".join([what, TITLES[self.input], *(["gRPC"] if self.transport == "grpc" else [])])

    @property
    def metric(self) -> Metric:
        """The figure that decides the scenario."""
        return METRICS[self.kind]
