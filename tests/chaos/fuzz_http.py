"""Hostile HTTP/1.1 over sockets to port 8002: chunks, trailers, requests in a row, slow pieces, damage."""

import asyncio
import contextlib
import itertools
from collections import Counter

from tests.chaos.http_cases import Case, Cases, Target

AT_ONCE = 32
ANSWER_S = 20.0
QUIET_S = 0.03
"""After which a server that waits for the rest of something damaged is left."""

PAUSE_S = 0.002
SERVERS_ERRORS = range(500, 600)


class Unexpected(AssertionError):
    """A case was answered otherwise than it has to be."""


async def _converse(host: str, port: int, case: Case) -> list[int]:
    """Return the statuses of all answers until the server closes or, where that is not known, is quiet.

    Raises:
        Unexpected: what came back is no HTTP, or the server does not close where it has to.
    """
    reader, writer = await asyncio.open_connection(host, port)
    try:
        with contextlib.suppress(ConnectionError):
            for piece in case.pieces:
                writer.write(piece)
                await writer.drain()
                if case.slow:
                    await asyncio.sleep(PAUSE_S)
        statuses: list[int] = []
        patience_s = ANSWER_S if case.expected or case.wrong else QUIET_S
        try:
            while True:
                head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), patience_s)
                status, length = _head(head, case)
                await asyncio.wait_for(reader.readexactly(length), ANSWER_S)
                if status != 100:
                    statuses.append(status)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except TimeoutError:
            if patience_s == ANSWER_S:
                raise Unexpected(f"answered {statuses} and stayed open for {ANSWER_S:g} s, to {_shown(case)}") from None
        return statuses
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def _shown(case: Case) -> str:
    """Return what the report of a failure has of a case; its seed gives the rest."""
    return f"{case!r:.3000}"


def _head(head: bytes, case: Case) -> tuple[int, int]:
    first, *fields = head.decode("latin-1").split("\r\n")[:-2]
    values = dict(field.lower().split(": ", 1) for field in fields)
    words = first.split(" ")
    if words[0] != "HTTP/1.1" or not words[1].isdigit() or (words[1] != "100" and "content-length" not in values):
        raise Unexpected(f"{head!r} is no answer, to {_shown(case)}")
    return int(words[1]), int(values.get("content-length", 0))


def judge(case: Case, statuses: list[int]) -> None:
    """Raise `Unexpected` if a case must not be answered so."""
    if case.expected is not None and statuses != case.expected:
        raise Unexpected(f"answered {statuses}, expected {case.expected}, to {_shown(case)}")
    if case.wrong and len(statuses) > 1:
        raise Unexpected(f"answered {statuses}, which is more than one, to {_shown(case)}")
    if any(status in SERVERS_ERRORS for status in statuses):
        raise Unexpected(f"answered {statuses}, to {_shown(case)}")


async def _fuzz(host: str, port: int, cases: Cases, count: int) -> Counter[str]:
    found: Counter[str] = Counter()
    source = itertools.islice(cases, count)

    async def work() -> None:
        for case in source:
            statuses = await _converse(host, port, case)
            judge(case, statuses)
            found["whole" if case.expected else "refused" if statuses == [400] else "taken in part, or waited for"] += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(work())
    return found


def fuzz_http(
    host: str, port: int, targets: list[Target], headers: dict[str, str], count: int, seed: int
) -> Counter[str]:
    """Send `count` cases; return how they were answered.

    Raises:
        Unexpected: a whole case was not answered as it has to be, or any with an error of the server.
    """
    try:
        return asyncio.run(_fuzz(host, port, Cases(targets, headers, seed), count))
    except* Unexpected as group:
        raise group.exceptions[0] from None
