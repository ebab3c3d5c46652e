"""`python -m bench.server.gateway`: what the gateway on 8002 costs against asking its Triton itself, in pairs within one run."""

import http.client
import random
import statistics
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer
from rich.console import Console
from rich.table import Table

from bench.client.pool import usual_processes
from bench.errors import BenchError
from bench.server.load import Clients
from bench.server.requests import Body, Kind, bodies
from bench.telemetry.processes import ServerProcesses

PHOTOS = Path(__file__).resolve().parents[2] / "photos"

MOST_MS = 1.0
"""That a lone request may take longer."""

LEAST_SHARE = 0.9
"""Of the throughput."""

KINDS: tuple[Kind, ...] = ("pixels", "jpeg")
WARM_UP = 10
TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Lone:
    """Single requests, one to each in turn: medians in ms, and the median of the pairs' differences."""

    triton_ms: float
    gateway_ms: float
    difference_ms: float


@dataclass(frozen=True)
class Busy:
    """Windows of many requests in flight, one against each in turn.

    Attributes:
        triton, gateway: images a second, medians of the windows.
        share: the median of the pairs' quotients.
        cpu_ms: processor time of the gateway for a request.
    """

    triton: float
    gateway: float
    share: float
    cpu_ms: float


def main(
    gateway: Annotated[str, typer.Option(help="Base URL of port 8002.")] = "http://127.0.0.1:8002",
    triton: Annotated[str, typer.Option(help="Base URL of the Triton behind it.")] = "http://127.0.0.1:8010",
    pairs: Annotated[int, typer.Option(min=10, help="Of lone requests of each kind.")] = 200,
    rounds: Annotated[int, typer.Option(min=3, help="Of windows of each kind.")] = 5,
    seconds: Annotated[float, typer.Option(help="Length of a window.")] = 6.0,
    in_flight: Annotated[int, typer.Option(min=1, help="Requests in flight within a window.")] = 8,
    images: Annotated[int, typer.Option(min=1, help="In a request of a window.")] = 1,
) -> None:
    """Measure a stack that runs on this machine without pytorch; exit 1 beyond 1 ms or 10 %."""
    console = Console()
    table = Table("load", "Triton", "gateway", "cost", "gateway's CPU")
    problems = []
    try:
        processes = ServerProcesses(gateway)
        if not processes.runs("server.gateway"):
            raise BenchError(f"{gateway} is not the gateway's; start a stack with BACKENDS=onnx")
        for kind in KINDS:
            lone = measure_lone(triton, gateway, bodies(PHOTOS, kind, 1), pairs)
            table.add_row(
                f"{kind}, one at a time", f"{lone.triton_ms:.2f} ms", f"{lone.gateway_ms:.2f} ms",
                f"{lone.difference_ms:+.2f} ms", "",
            )  # fmt: skip
            if lone.difference_ms > MOST_MS:
                problems.append(f"{kind}: {lone.difference_ms:.2f} ms on a lone request")
        for kind in KINDS:
            busy = measure_busy(triton, gateway, kind, images, in_flight, rounds, seconds, processes)
            table.add_row(
                f"{kind}, {images} a request, {in_flight} in flight", f"{busy.triton:,.1f}/s", f"{busy.gateway:,.1f}/s",
                f"x{busy.share:.3f}", f"{busy.cpu_ms:.2f} ms a request",
            )  # fmt: skip
            if busy.share < LEAST_SHARE:
                problems.append(f"{kind}: {busy.share:.3f} of the throughput")
    except BenchError as error:
        console.print(f"bakeoff: failed: {error}", soft_wrap=True, markup=False)
        raise typer.Exit(1) from error
    console.print(table)
    if problems:
        console.print(f"more than {MOST_MS:g} ms or less than {LEAST_SHARE:g}: {'; '.join(problems)}", markup=False)
        raise typer.Exit(1)


def measure_lone(triton: str, gateway: str, requests: list[Body], pairs: int) -> Lone:
    """Ask both in turn, in an order drawn for each pair, over a connection to each that is kept.

    Raises:
        BenchError: one does not answer with embeddings.
    """
    chance = random.Random(0)  # noqa: S311
    took: dict[str, list[float]] = {triton: [], gateway: []}
    with ExitStack() as until_done:
        connections = {
            url: until_done.enter_context(closing(http.client.HTTPConnection(urlsplit(url).netloc, timeout=TIMEOUT_S)))
            for url in took
        }
        for pair in range(WARM_UP + pairs):
            body = requests[pair % len(requests)]
            for url in chance.sample((triton, gateway), 2):
                took[url].append(_ask(connections[url], url, body))
    direct, passed_on = took[triton][WARM_UP:], took[gateway][WARM_UP:]
    differences = [b - a for a, b in zip(direct, passed_on, strict=True)]
    return Lone(statistics.median(direct), statistics.median(passed_on), statistics.median(differences))


def _ask(connection: http.client.HTTPConnection, url: str, body: Body) -> float:
    """Return the milliseconds that a request took."""
    began = time.perf_counter()
    try:
        connection.request("POST", body.path, body.data, body.headers)
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise BenchError(f"{url} does not answer: {error!r}") from error
    if answer.status != http.client.OK:
        raise BenchError(f"{url} answers {answer.status}")
    return 1e3 * (time.perf_counter() - began)


def measure_busy(
    triton: str, gateway: str, kind: Kind, images: int, in_flight: int, rounds: int, seconds: float,
    processes: ServerProcesses,
) -> Busy:  # fmt: skip
    """Load both in turn, which of them first changing from round to round.

    Raises:
        BenchError: a request was not answered.
    """
    clients = {url: Clients(url, PHOTOS, usual_processes()) for url in (triton, gateway)}
    rates: dict[str, list[float]] = {triton: [], gateway: []}
    cpu_s, requests = 0.0, 0
    try:
        for number in range(rounds):
            for url in (triton, gateway) if number % 2 else (gateway, triton):
                before = processes.cpu_s()
                sample = clients[url].load(kind, images, in_flight, seconds)
                if sample.failures:
                    raise BenchError(f"{sample.failures} requests to {url} were not answered")
                rates[url].append(sample.images_per_s)
                if url == gateway:
                    cpu_s, requests = cpu_s + processes.cpu_s() - before, requests + len(sample.latencies_ms)
    finally:
        for one in clients.values():
            one.close()
    shares = [b / a for a, b in zip(rates[triton], rates[gateway], strict=True)]
    return Busy(
        statistics.median(rates[triton]),
        statistics.median(rates[gateway]),
        statistics.median(shares),
        1e3 * cpu_s / max(1, requests),
    )


if __name__ == "__main__":
    typer.run(main)
