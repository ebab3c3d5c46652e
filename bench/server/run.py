"""Measure the ceilings, then the server, and write both side by side."""

import json
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.client.pool import usual_processes
from bench.errors import BenchError
from bench.machine import this_machine
from bench.server.load import Clients, Sample
from bench.server.requests import Kind
from bench.telemetry.nvml import memory_by_process
from bench.telemetry.processes import ServerProcesses
from server.files import printable

MIB = 2**20


@dataclass(frozen=True)
class Point:
    """One kind of load: `in_flight` requests at a time, of `images` each."""

    kind: Kind
    images: int
    in_flight: int

    @property
    def title(self) -> str:
        """Name for people."""
        what = "640x480 JPEG" if self.kind == "jpeg" else "UINT8 pixels"
        return f"{what}, {self.images} a request, {self.in_flight} in flight"


GPU_POINTS = (
    Point("pixels", 1, 1),
    Point("jpeg", 1, 1),
    Point("jpeg", 1, 64),
    Point("pixels", 32, 16),
    Point("pixels", 32, 32),
    Point("jpeg", 32, 16),
    Point("jpeg", 32, 32),
)
CPU_POINTS = (Point("pixels", 1, 1), Point("jpeg", 1, 1), Point("pixels", 1, 8), Point("jpeg", 1, 8))


def run(url: str, photos: Path, results: Path, seconds: float, console: Console) -> Path:
    """Measure the server at `url`, which runs on this machine and is idle otherwise.

    Args:
        url: its base URL.
        photos: folder of the photos that are sent.
        results: folder in which the run's own folder is made.
        seconds: length of each window.
        console: where the table goes.

    Returns:
        The result's file, JSON.

    Raises:
        BenchError: no server runs there, or the ceilings cannot be measured.
    """
    server = ServerProcesses(url)
    if server.runs("server.gateway"):
        raise BenchError(
            f"{url} is the gateway's, because pytorch is not served; `python -m bench.server.gateway` measures that"
        )
    at_rest = server.gpu_bytes(memory_by_process())
    console.print("measuring what this machine can do in process")
    ceilings = _ceilings()
    points = GPU_POINTS if server.gpu_bytes(memory_by_process()) is not None else CPU_POINTS
    clients = Clients(url, photos, processes=usual_processes())
    measured = []
    try:
        for point in points:
            console.print(f"measuring {point.title}")
            before = server.cpu_s()
            sample = clients.load(point.kind, point.images, point.in_flight, seconds)
            measured.append(_row(point, sample, ceilings, server.cpu_s() - before, clients.processes))
    finally:
        clients.close()
    document = {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": printable(" ".join(sys.argv)),
        "machine": this_machine().model_dump(mode="json"),
        "ceilings": ceilings,
        "gpu_memory_at_rest_mib": at_rest and at_rest / MIB,
        "resident_memory_mib": server.resident_bytes() / MIB,
        "client_processes": clients.processes,
        "points": measured,
    }
    _show(document, console)
    file = results / f"server-{datetime.now(UTC):%Y-%m-%dT%H-%M-%SZ}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(document, indent=1), encoding="utf-8")
    console.print(f"result: {file}", soft_wrap=True, markup=False)
    return file


def _ceilings() -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "server.pytorch.ceilings"], capture_output=True, text=True, timeout=600, check=False
    )
    if done.returncode:
        raise BenchError(f"the ceilings could not be measured: {done.stderr.strip().splitlines()[-1:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _row(point: Point, sample: Sample, ceilings: dict[str, Any], server_cpu_s: float, processes: int) -> dict[str, Any]:
    encode = max(ceilings["encode_images_per_s"].values())
    decode = ceilings.get("decode_images_per_s")
    ceiling = min(encode, decode) if decode and point.kind == "jpeg" else encode
    return {
        "point": point.title,
        "images_per_s": sample.images_per_s,
        "ceiling_images_per_s": ceiling,
        "share_of_ceiling": sample.images_per_s / ceiling,
        "p50_ms": sample.percentile_ms(50),
        "p99_ms": sample.percentile_ms(99),
        "requests": len(sample.latencies_ms),
        "failures": sample.failures,
        "client_cores": sample.cpu_s / sample.elapsed_s,
        "client_cores_available": min(processes, point.in_flight),
        "server_cpu_s": server_cpu_s,
    }


def _show(document: dict[str, Any], console: Console) -> None:
    ceilings = document["ceilings"]
    encode = ", ".join(f"{rate:,.0f}/s at {size}" for size, rate in ceilings["encode_images_per_s"].items())
    console.print(
        f"in process, {ceilings['precision'].upper()}: encode {encode}; batch 1 {ceilings['replay_ms']:.2f} ms"
    )
    if "decode_images_per_s" in ceilings:
        console.print(
            f"in process: decode {ceilings['decode_images_per_s']:,.0f}/s, "
            f"with resize {ceilings['decode_and_resize_images_per_s']:,.0f}/s"
        )
    table = Table("load", "images/s", "of the ceiling", "p50 ms", "p99 ms", "failures", "client cores")
    for row in document["points"]:
        table.add_row(
            row["point"],
            f"{row['images_per_s']:,.1f}",
            f"{row['share_of_ceiling']:.2f}",
            f"{row['p50_ms']:.2f}",
            f"{row['p99_ms']:.2f}",
            str(row["failures"]),
            f"{row['client_cores']:.1f} of {row['client_cores_available']}",
        )
    console.print(table)
    if document["gpu_memory_at_rest_mib"]:
        console.print(f"GPU memory at rest: {document['gpu_memory_at_rest_mib']:,.0f} MiB")
    console.print(f"resident memory: {document['resident_memory_mib']:,.0f} MiB")
