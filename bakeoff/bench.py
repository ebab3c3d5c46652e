"""`bakeoff bench`: measure every ready backend, here or elsewhere, and name the winner."""

from pathlib import Path
from typing import Annotated

import typer

from bakeoff.console import console, read_settings, stop
from server.home import PHOTOS, ROOT


def bench(
    quick: Annotated[bool, typer.Option("--quick", help="Under a minute: `single`, and `batch` 8, over HTTP.")] = False,
    scenario: Annotated[
        list[str] | None,
        typer.Option(
            help="Scenario to measure; can be repeated: startup, single, batch, concurrency, offline, server, wan."
        ),
    ] = None,
    goal: Annotated[str, typer.Option(help="What to recommend for: latency, throughput, cost or wan.")] = "throughput",
    images: Annotated[Path | None, typer.Option(help="Folder of your own photos, instead of the bundled ones.")] = None,
    url: Annotated[
        list[str] | None,
        typer.Option(help="Base URL of port 8002, where /ready tells the others; NAME=URL for a single backend."),
    ] = None,
    port: Annotated[
        list[str] | None,
        typer.Option(help="Where a port is reached: 8010=40123 or 8010=HOST:40123; can be repeated."),
    ] = None,
    vast: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Ports of a Vast.ai instance: its JSON (`vastai show instance ID --raw`; - for standard input), or "
            "`env` in one of its shells.",
        ),
    ] = None,
    api_key: Annotated[
        str | None,
        typer.Option(
            help="Sent as `Authorization: Bearer`, over gRPC too; without it the first of API_KEY and its file."
        ),
    ] = None,
    time_budget: Annotated[
        float | None, typer.Option(help="Seconds that the run aims for; 900, or 48 when quick.")
    ] = None,
    rounds: Annotated[int, typer.Option(help="How often every point is measured; at least 5.")] = 5,
    p99_ms: Annotated[float, typer.Option(help="Latency that 99 % of the requests of `server` must keep.")] = 50.0,
    price_per_hour: Annotated[
        float | None, typer.Option(help="Of the servers' machine, for the cost of a million images.")
    ] = None,
    processes: Annotated[int, typer.Option(help="Client processes; 0: half the cores, at most 8.")] = 0,
    results: Annotated[Path, typer.Option(help="Folder for the results.")] = ROOT / "results",
    seed: Annotated[int, typer.Option(help="Seed of the order of measurements, of arrivals and of resampling.")] = 0,
    resume: Annotated[
        Path | None, typer.Option(help="Folder of an interrupted run to go on with, asked the same.")
    ] = None,
) -> None:
    """Measure every ready backend on the same photos and name the winner."""
    from bench.addresses import Addresses, parse_ports, parse_urls, with_mapped_ready
    from bench.errors import BenchError
    from bench.options import BenchOptions
    from bench.run import run_benchmark
    from bench.vast import vast_ports
    from server.backend_addresses import pytorch_url

    try:
        settings = read_settings()
        base, named = parse_urls(url or [], pytorch_url(settings))
        mapped = vast_ports(vast, settings.pytorch_http_port) if vast else {}
        ports = {**mapped, **parse_ports(port or [], with_mapped_ready(base, mapped))}
        options = BenchOptions(
            addresses=Addresses(
                with_mapped_ready(base, ports), ports, named, api_key or next(iter(settings.keys), None)
            ),
            photos=images or PHOTOS,
            results=results,
            quick=quick,
            kinds=tuple(scenario or ()),
            goal=goal,  # type: ignore[arg-type]  # checked there
            seed=seed,
            rounds=rounds,
            time_budget_s=time_budget,
            p99_ms=p99_ms,
            price_per_hour=price_per_hour,
            processes=processes,
            resume=resume,
            home=settings.home.root,
        )
        run_benchmark(options, console)
    except BenchError as error:
        stop(f"bakeoff: failed: {error}")
