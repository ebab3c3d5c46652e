"""What was measured with, how, and what that cannot tell."""

from typing import Any

from bench.figures import gigabytes, megabytes, number
from bench.report.document import Table, code, count, plain
from bench.result import Result


def conditions(result: Result) -> Table:
    """Return machine, versions, settings, weights and commit."""
    machine, model, photos, settings = result.machine, result.model, result.photos, result.settings
    used = f"{photos.used} photos" if photos.used == photos.found else f"{photos.used} of {photos.found:,} photos"
    gpus = ", ".join(machine.gpus) or "none"
    rows = [
        ["model", ", ".join(str(model[key]) for key in ("name", "architecture", "precision") if model.get(key))],
        ["weights", _weights(model)],
        [
            "photos",
            f"{used}, {megabytes(photos.bytes)}, from {code(photos.folder)}, SHA-256 {code(photos.sha256[:12])}",
        ],
        ["CPU", f"{plain(machine.cpu)}, {count(machine.cores, 'core')}, {gigabytes(machine.memory_bytes)}"],
        ["GPU", f"{gpus}, driver {machine.driver}" if machine.driver else gpus],
        ["servers", "on the client's machine" if result.local else _elsewhere(result)],
        ["system", plain(machine.os)],
        ["versions", ", ".join(f"{name} {version}" for name, version in machine.versions.items())],
        ["commit", machine.commit or "-"],
        ["run", f"{result.started} to {result.finished}" + _resumed(result)],
        [
            "settings",
            f"{count(result.complete_rounds, 'round')} of {settings.rounds}, windows of {number(settings.window_s)} s, at "
            f"least {count(settings.min_requests, 'request')} each, seed {settings.seed}, bound {settings.p99_ms:g} ms, "
            f"goal {settings.goal}"
            + (f", {settings.price_per_hour:g} per hour" if settings.price_per_hour is not None else ""),
        ],
        ["command", code(result.command)],
    ]
    if result.wan:
        link = (
            f"{result.wan.get('round_trip_ms')} ms of round trip, {result.wan.get('uplink_mbit_s')} Mbit/s uplink, "
            f"by {plain(str(result.wan.get('how')))}"
        )
        rows.append(["distant client", link])
    return Table(["", ""], rows)


def _weights(model: dict[str, Any]) -> str:
    asked, used = model.get("pretrained") or "-", model.get("source") or model.get("pretrained") or "-"
    text = f"{used}" if asked == used else f"{used} (asked for: {asked})"
    digest = model.get("weights_sha256")
    return f"{text}, SHA-256 {code(str(digest)[:12])}" if digest else text


def _elsewhere(result: Result) -> str:
    gpus = ", ".join(result.server_gpus)
    return f"on another machine ({gpus}); the network is part of every latency" if gpus else "on another machine"


def _resumed(result: Result) -> str:
    return f", taken up again {count(result.resumed, 'time')}" if result.resumed else ""


METHOD = """\
- One client for all: the same code and processes, connections kept alive, the same bytes in the same order. Photos
  rotate, and begin elsewhere in every round, so that nobody can answer from a cache.
- Every point is measured once a round, in a random order that the seed repeats, one backend loaded while the others
  idle. Warm-up is not counted. Windows took {shortest:.1f} to {longest:.1f} s.
- A window with an error, a restart or a compile does not count for its backend: a failed request is a failure, never a
  fast answer.
- A latency runs from just before a request is sent until its answer is there; with random arrivals from the moment for which
  the request was scheduled. Percentiles are nearest-rank: each is a latency that was seen, to three digits.
- Figures are medians of the rounds with 95 % bootstrap intervals. A winner is ahead in paired differences (of logarithms, per
  round) whose 95 % interval (Student's) excludes zero, by at least 2 %; else it is a tie.
- `client-bound`: the client was the limit, so the server can do more than is shown. `unstable`: the last three rounds
  differ by more than 10 %. `invalid`: it cannot win, for the reason given."""

LIMITS = """\
- One machine, one run, one start of each server; {place}
- Intervals are those of the rounds of this run. Another start, another day or another machine may differ by more.
- These are this model's and these photos' figures. Larger photos move time from computing to decoding.
- Every latency and every window is in `result.json`, as HDR histograms."""


def method(result: Result) -> str:
    """Return how it was measured, in Markdown."""
    seconds = [window.elapsed_s for window in result.windows] or [0.0]
    return METHOD.format(shortest=min(seconds), longest=max(seconds))


def limits(result: Result) -> str:
    """Return what the run cannot tell, in Markdown."""
    place = (
        "the client ran on the servers' machine and shared its cores."
        if result.local
        else "the network between client and servers is part of every latency."
    )
    return LIMITS.format(place=place)
