"""`python -m tests.chaos.load`: more requests than a backend can answer, for minutes, every answer checked.

First the peak: as many requests in flight as a backend needs to be busy all the time. Then the overload: requests come as a
Poisson process at a multiple of the peak, whether or not the backend keeps up. Latency counts from the scheduled moment.
One backend after the other, so that a peak and what is compared with it had the same share of the machine.
"""

import argparse
import asyncio
import json
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import httpx
import numpy as np

from bench.client.poisson import arrivals
from bench.server.requests import Body, body_of_files, body_of_pixels, embeddings
from server.model.reference import Reference
from server.settings import Settings
from tests.chaos.processes import PROGRAMS, resident
from tests.stack.stack import ROW_TOLERANCE, RunningStack, start

SHIFT = 12_000
IN_FLIGHT = (8, 32, 128)
"""Tried for the peak; the best one counts. The last is as many as the largest batch has."""

RAMP_S = 5.0
"""At the start of a window that looks for the peak; answers count from here on, when every batch can be full."""

REFUSED_S = 1.0
"""That a refused request of those windows waits before it is sent again, as `Retry-After` asks."""

GOODPUT_SHARE = 0.9
MEMORY_GROWTH = 0.1
"""Share that a backend's memory may grow by in the second half of an overload."""

LATE_SHARE = 1.1
"""Of REQUEST_TIMEOUT_S: Triton's limits the time in its queue only, so a batch is computed after it."""

SAMPLE_EVERY_S = 1.0
TIMEOUT_S = 150.0
MIB = 2**20


@dataclass
class Seen:
    """What became of the requests of one window.

    Attributes:
        counts: `right`, `wrong`, `refused` (503 or 504 in words; 503 of 8002 with `Retry-After`), `unclear`, `broken`.
        examples: one of each kind of answer, by its text without its numbers.
        latencies_s: of the right answers.
        in_time: right answers that came within the window.
        resident: bytes of the backend's processes, one sample a second.
    """

    begin: float
    end: float
    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    latencies_s: list[float] = field(default_factory=list)
    in_time: int = 0
    resident: list[int] = field(default_factory=list)

    @property
    def goodput(self) -> float:
        """Right answers a second within the window."""
        return self.in_time / (self.end - self.begin)

    def add(self, kind: str, example: str = "") -> None:
        """Count one."""
        self.counts[kind] += 1
        if kind != "right":
            self.examples.setdefault(re.sub(r"\d+", "0", f"{kind}: {example}"), f"{kind}: {example}")

    def add_right(self, scheduled: float) -> None:
        """Count a right answer that has come now."""
        self.add("right")
        now = time.monotonic()
        self.in_time += self.begin <= now <= self.end
        self.latencies_s.append(now - scheduled)


class Backend:
    """One backend of a running stack, and requests for it: files, and unless told otherwise pixels."""

    def __init__(self, stack: RunningStack, name: str, reference: Reference, *, pixels: bool = True) -> None:
        self.name = name
        self._stack = stack
        self._reference = reference
        rows = range(len(reference.files))
        self._bodies = [body_of_files([reference.files[row]]) for row in rows]
        if pixels:
            self._bodies += [body_of_pixels([reference.pixels[row].tobytes()]) for row in rows]

    async def ask(self, client: httpx.AsyncClient, number: int, seen: Seen, scheduled: float) -> bool:
        """Send one request and judge the answer; return whether it was right."""
        index = number % len(self._bodies)
        body: Body = self._bodies[index]
        try:
            answer = await client.post(body.path, content=body.data, headers=body.headers)
        except httpx.HTTPError as error:
            seen.add("broken", repr(error))
            return False
        if answer.status_code != 200:
            seen.add(*self._refusal(answer))
            return False
        found = embeddings(answer.content, int(answer.headers["Inference-Header-Content-Length"]))
        expected = self._reference.embeddings[index % len(self._reference.files)]
        if not np.allclose(found[0], expected, atol=ROW_TOLERANCE):
            seen.add("wrong", str(index))
            return False
        seen.add_right(scheduled)
        return True

    def resident(self) -> int:
        """Return the bytes of memory that its processes hold; what they share counts in each."""
        return resident(self._stack, self.name)

    def client(self) -> httpx.AsyncClient:
        """Return a client without a limit of its own."""
        return httpx.AsyncClient(
            base_url=self._stack.url(self.name),
            headers=self._stack.headers,
            timeout=TIMEOUT_S,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=64),
        )

    def _refusal(self, answer: httpx.Response) -> tuple[str, str]:
        try:
            message = answer.json()["error"]
        except (ValueError, LookupError, TypeError):
            return "unclear", f"{answer.status_code} {answer.content[:100]!r}"
        told = self.name != "pytorch" or answer.status_code != 503 or "Retry-After" in answer.headers
        clean = answer.status_code in (503, 504) and message and told
        return "refused" if clean else "unclear", f"{answer.status_code} {message}"


async def closed(backend: Backend, in_flight: int, seconds: float) -> Seen:
    """Keep `in_flight` requests in flight."""
    begin = time.monotonic() + RAMP_S
    seen = Seen(begin, begin + seconds)

    async def lane(index: int) -> None:
        number = index * 7
        while time.monotonic() < seen.end:
            if not await backend.ask(client, number, seen, time.monotonic()):
                await asyncio.sleep(REFUSED_S)
            number += 1

    async with backend.client() as client:
        await asyncio.gather(*(lane(index) for index in range(in_flight)))
    return seen


async def opened(backend: Backend, per_s: float, seconds: float) -> Seen:
    """Send requests at `per_s` on average, whatever comes back, and wait for every answer."""
    begin = time.monotonic()
    seen = Seen(begin, begin + seconds)
    async with backend.client() as client:
        sampling = asyncio.ensure_future(_sample(backend.resident, seen))
        asked = []
        for number, moment in enumerate(arrivals(per_s, seconds, seed=7)):
            await asyncio.sleep(max(0.0, begin + moment - time.monotonic()))
            asked.append(asyncio.ensure_future(backend.ask(client, number, seen, begin + moment)))
        await asyncio.sleep(max(0.0, seen.end - time.monotonic()))
        sampling.cancel()
        await asyncio.gather(*asked)
    return seen


async def _sample(resident: Callable[[], int], seen: Seen) -> None:
    while True:
        seen.resident.append(await asyncio.to_thread(resident))
        await asyncio.sleep(SAMPLE_EVERY_S)


@dataclass(frozen=True)
class Overload:
    """The figures of one backend.

    Attributes:
        peak: right answers a second of the best closed loop; `peak_after` the same load once more, after the overload.
        resident_mib: median of the first half of the overload, largest of the second.
    """

    backend: str
    in_flight: int
    peak: float
    peak_after: float
    offered: float
    goodput: float
    p50_s: float
    p99_s: float
    resident_mib: tuple[float, float]
    counts: dict[str, int]
    examples: list[str]

    @property
    def times(self) -> float:
        """What was offered, as a multiple of the most that was answered, before or during it."""
        return self.offered / max(self.peak, self.goodput)


async def overload(backend: Backend, factor: float, seconds: float, peak_seconds: float) -> Overload:
    """Find a backend's peak, and exceed it by `factor`."""
    peaks = {in_flight: await closed(backend, in_flight, peak_seconds) for in_flight in IN_FLIGHT}
    best = max(peaks, key=lambda in_flight: peaks[in_flight].goodput)
    peak = peaks[best].goodput
    seen = await opened(backend, peak * factor, seconds)
    after = await closed(backend, best, peak_seconds)
    half = len(seen.resident) // 2
    return Overload(
        backend=backend.name,
        in_flight=best,
        peak=peak,
        peak_after=after.goodput,
        offered=sum(seen.counts.values()) / seconds,
        goodput=seen.goodput,
        p50_s=float(np.percentile(seen.latencies_s, 50)),
        p99_s=float(np.percentile(seen.latencies_s, 99)),
        resident_mib=(float(np.median(seen.resident[:half])) / MIB, max(seen.resident[half:]) / MIB),
        counts=dict(seen.counts),
        examples=list(seen.examples.values()),
    )


def problems(one: Overload, request_timeout_s: float) -> list[str]:
    """Return what misses the bar."""
    peak = min(one.peak, one.peak_after)
    before, largest = one.resident_mib
    found = [f"{one.backend}: {count} {kind}" for kind, count in one.counts.items() if kind not in ("right", "refused")]
    if one.goodput < GOODPUT_SHARE * peak:
        found.append(f"{one.backend}: goodput {one.goodput:.1f}/s of a peak of {peak:.1f}/s")
    if one.p99_s > LATE_SHARE * request_timeout_s:
        found.append(f"{one.backend}: p99 {one.p99_s:.1f} s, beyond REQUEST_TIMEOUT_S={request_timeout_s:g}")
    if largest > (1 + MEMORY_GROWTH) * before:
        found.append(f"{one.backend}: memory grew from {before:.0f} to {largest:.0f} MiB")
    return found


def table(rows: list[Overload]) -> Iterator[str]:
    """Yield a Markdown table."""
    yield (
        "| backend | peak | offered | goodput | of the peak | p50 | p99 | right | refused | broken, unclear, wrong "
        "| memory, first and second half |"
    )
    yield "|---" * 11 + "|"
    for one in rows:
        bad = sum(one.counts.get(kind, 0) for kind in ("broken", "unclear", "wrong"))
        yield (
            f"| `{one.backend}` | {one.peak:.1f}/s before, {one.peak_after:.1f}/s after, {one.in_flight} in flight "
            f"| {one.offered:.1f}/s, {one.times:.2f} times | {one.goodput:.1f}/s | {one.goodput / min(one.peak, one.peak_after):.2f} "
            f"| {one.p50_s:.1f} s | {one.p99_s:.1f} s | {one.counts.get('right', 0)} | {one.counts.get('refused', 0)} "
            f"| {bad} | {one.resident_mib[0]:,.0f}, {one.resident_mib[1]:,.0f} MiB |"
        )


def main() -> None:
    """Run, print the report, and exit 1 when it misses the bar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--factor", type=float, default=1.5, help="of the peak")
    parser.add_argument("--seconds", type=float, default=300, help="of overload, each backend")
    parser.add_argument("--peak-seconds", type=float, default=30, help="of each window that looks for the peak")
    parser.add_argument("--backend", choices=PROGRAMS, action="append", help="only this one; may be repeated")
    parser.add_argument("--model", type=Path, help="BAKEOFF_HOME with an exported model to copy, instead of an export")
    parser.add_argument("--json", type=Path, help="where the figures go as JSON")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        if arguments.model:
            shutil.copytree(arguments.model, home)
        stack = start(home, SHIFT, BACKENDS=",".join(PROGRAMS))
        try:
            stack.wait(200)
            reference = Reference.load(home / "weights" / "reference.npz")
            backends = [Backend(stack, name, reference) for name in arguments.backend or PROGRAMS]
            rows = asyncio.run(_all(backends, arguments.factor, arguments.seconds, arguments.peak_seconds))
            assert stack.ready()[0] == 200, "a backend was restarted"
        finally:
            stack.stop()
    for row in rows:
        print("\n".join(row.examples), file=sys.stderr)
    print("\n".join(table(rows)))
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(one) for one in rows], indent=1), encoding="utf-8")
    if missed := [problem for one in rows for problem in problems(one, Settings().request_timeout_s)]:
        sys.exit("\n".join(missed))


async def _all(backends: list[Backend], factor: float, seconds: float, peak_seconds: float) -> list[Overload]:
    return [await overload(backend, factor, seconds, peak_seconds) for backend in backends]


if __name__ == "__main__":
    main()
