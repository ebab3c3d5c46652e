"""`python -m bench.crosscheck`: measure the same points with our load generator and with instruments that are not ours."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from bench.client.pool import Clients, usual_processes
from bench.crosscheck import loadgen, ours, wrk
from bench.crosscheck.point import BAR, Comparison, Figures, Point, compare
from bench.errors import BenchError
from bench.photos import PhotoSet, load_photos
from bench.scenarios import Input

PHOTOS = Path(__file__).resolve().parents[2] / "photos"
SHARE = 0.5
"""Of the throughput at many in flight: the rate of the open loop."""


def main(
    url: Annotated[str, typer.Option(help="Base URL of one backend, idle otherwise.")] = "http://127.0.0.1:8002",
    images: Annotated[Path, typer.Option(help="Folder of photos.")] = PHOTOS,
    kind: Annotated[str, typer.Option("--input", help="encoded or pixels")] = "pixels",
    in_flight: Annotated[int, typer.Option(help="Requests in flight of the busy point.")] = 8,
    seconds: Annotated[int, typer.Option(min=1, help="Length of each window.")] = 10,
    rounds: Annotated[int, typer.Option(min=1, help="Windows of each instrument at each point, in turn.")] = 3,
) -> None:
    """Compare throughput and latencies; exit 1 where a judged figure differs by more than 10 %."""
    console = Console()
    try:
        if kind not in ("encoded", "pixels"):
            raise BenchError(f"--input is {kind}; it can be encoded or pixels")
        photos = load_photos(images, 64)
        with Clients(photos, usual_processes()) as clients:
            agreed = _crosscheck(clients, url, kind, photos, in_flight, seconds, rounds, console)  # type: ignore[arg-type]
    except BenchError as error:
        console.print(f"bakeoff: failed: {error}", soft_wrap=True)
        raise typer.Exit(1) from error
    if not agreed:
        raise typer.Exit(1)


def _crosscheck(
    clients: Clients,
    url: str,
    kind: Input,
    photos: PhotoSet,
    in_flight: int,
    seconds: int,
    rounds: int,
    console: Console,
) -> bool:
    table = Table(
        "point", "figure", "ours", "theirs", "ours / theirs", f"within {BAR:.0%}", "requests, ours and theirs"
    )
    busy = 0.0
    agreed = True
    for point in (
        Point("wrk", kind, 1),
        Point("wrk", kind, in_flight),
        Point("LoadGen", kind, 1),
        Point("LoadGen", kind, in_flight, per_s=SHARE),
    ):
        point = Point(point.instrument, kind, in_flight, per_s=SHARE * busy) if point.per_s else point
        console.print(f"measuring {point.title}")
        mine, others = [], []
        for number in range(rounds):
            mine.append(ours.measure(clients, url, point, seconds, number))
            others.append(_theirs(url, point, photos, seconds, number))
        if failures := sum(one.failures for one in (*mine, *others)):
            raise BenchError(f"{failures} requests failed at {point.title}; nothing can be compared")
        found = compare(mine, others)
        busy = max(busy, found[0].theirs)
        agreed = agreed and all(one.agrees for one in found if one.judged)
        counts = f"{sum(one.requests for one in mine)}, {sum(one.requests for one in others)}"
        for one in found:
            _show(table, point, one, counts)
    console.print(table)
    return agreed


def _theirs(url: str, point: Point, photos: PhotoSet, seconds: int, number: int) -> Figures:
    if point.instrument == "wrk":
        return wrk.measure(url, point, photos, seconds)
    return loadgen.measure(url, point, photos, seconds, number)


def _show(table: Table, point: Point, one: Comparison, counts: str) -> None:
    verdict = "yes" if one.agrees else "no"
    table.add_row(
        point.title if one.figure == "images_per_s" else "",
        one.figure,
        f"{one.ours:.2f}",
        f"{one.theirs:.2f}",
        f"{one.ratio:.3f}",
        verdict if one.judged else f"{verdict}, not judged",
        counts if one.figure == "images_per_s" else "",
    )


if __name__ == "__main__":
    typer.run(main)
