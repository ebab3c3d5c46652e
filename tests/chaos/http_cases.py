"""HTTP/1.1 as bytes on a connection, without end and the same for the same seed: whole, wrong in one place, and damaged."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

BODY = b"GET /smuggled HTTP/1.1\r\nHost: smuggled\r\n\r\n"
"""What a body holds: were it ever taken for a request, there would be one answer too many."""

FIELDS = (
    b"Accept: */*", b"accept:text/html", b"X-Empty:", b"X-Tab:\tx\t", b"X-Latin: \xe9\xff", b"X-Long: " + b"x" * 3000,
    b"User-Agent: curl/8.0", b"Expect: 100-continue", b"Cookie: a=b", b"TE: trailers", b"Trailer: X-Sum", b"X-Request-Id: 1\x7e2",
)  # fmt: skip
TRAILERS = (
    b"X-Sum: 1", b"Authorization: Bearer wrong", b"Host: smuggled", b"Content-Type: application/json", b"Cookie: c=d", b"X-Empty:",
    b"X-Long: " + b"y" * 3000,
)  # fmt: skip
EXTENSIONS = (b"", b"", b"", b";a", b";a=b", b';a="b c"', b";" + b"e" * 2000)

WRONG_FRAMING = (
    b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
    b"Content-Length: +3\r\n\r\nabc",
    b"Content-Length: -1\r\n\r\n",
    b"Content-Length: 0x3\r\n\r\nabc",
    b"Content-Length: 3, 3\r\n\r\nabc",
    b"Content-Length: 99999999999999999999999\r\n\r\n",
    b"Transfer-Encoding: gzip\r\n\r\n",
    b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n-1\r\nabc\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n\r\nabc\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nabc\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nNo colon\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: a\x00b\r\n\r\n",
    b"X: a\x00b\r\n\r\n",
    b"X: a\rb\r\n\r\n",
    b"X y: z\r\n\r\n",
    b"No colon\r\n\r\n",
    b": no name\r\n\r\n",
    b"X: y\n\n",
)
"""Ends of a head, and bodies, that two readers might take for different requests (RFC 9112, sections 5, 6, 7 and 11)."""


@dataclass(frozen=True)
class Target:
    """A request whose answer is known, whatever its body."""

    method: str
    path: str
    status: int


@dataclass(frozen=True)
class Case:
    """What goes over one connection.

    Attributes:
        pieces: to be sent one after the other.
        expected: the statuses in their order until the server closes; None: any, but for an error of the server.
        wrong: whether it has to be refused: one answer at most, and the end of the connection.
        slow: whether time passes between the pieces.
    """

    pieces: list[bytes]
    expected: list[int] | None
    wrong: bool
    slow: bool


class Cases:
    """A source of cases."""

    def __init__(self, targets: Sequence[Target], headers: dict[str, str], seed: int) -> None:
        """Ask for `targets`, with `headers` in each request."""
        self._chance = random.Random(seed)  # not for secrets
        self._targets = targets
        self._headers = [f"{name}: {value}".encode() for name, value in headers.items()]

    def __iter__(self) -> Iterator[Case]:
        """Yield cases for ever."""
        while True:
            kind = self._chance.randrange(10)
            expected = None
            if kind < 5:
                data, expected = self._whole()
            elif kind < 7:
                data = self._wrong()
            else:
                data = self._damaged(self._whole()[0])
            yield Case(self._pieces(data), expected, wrong=5 <= kind < 7, slow=self._chance.random() < 0.1)

    def _whole(self) -> tuple[bytes, list[int]]:
        """Return requests in a row, the last of which asks for the end of the connection."""
        targets = self._chance.choices(self._targets, k=self._chance.choice((1, 1, 2, 3, 8)))
        last = len(targets) - 1
        return b"".join(self._request(target, index == last) for index, target in enumerate(targets)), [
            target.status for target in targets
        ]

    def _wrong(self) -> bytes:
        """Return a request that is wrong, and one that must not be reached behind it."""
        target = self._chance.choice(self._targets)
        head = b"\r\n".join([self._line(target), b"Host: x", *self._headers, b""])
        return head + self._chance.choice(WRONG_FRAMING) + BODY

    def _request(self, target: Target, last: bool) -> bytes:
        fields = [b"Host: x", *self._headers, *self._chance.sample(FIELDS, k=self._chance.choice((0, 0, 1, 3)))]
        framing = self._chance.choice(("none", "length", "chunked", "upgrade"))
        if target.method == "POST" and framing in ("none", "upgrade"):
            framing = "length"
        body = b""
        if framing == "upgrade" and not last:
            fields += [b"Connection: Upgrade", b"Upgrade: h2c"]
        elif framing == "length":
            body = self._body()
            fields.append(b"Content-Length: %d" % len(body))
        elif framing == "chunked":
            body = self._chunked(self._body())
            fields.append(self._chance.choice((b"Transfer-Encoding: chunked", b"transfer-encoding:Chunked")))
        if last:
            fields.append(b"Connection: close")
        first = self._chance.choice((b"", b"", b"", b"\r\n")) + self._line(target)
        return b"\r\n".join([first, *fields, b"", b""]) + body

    def _line(self, target: Target) -> bytes:
        place = self._chance.choice(("", "", "", "http://x"))
        return f"{target.method} {place}{target.path} HTTP/1.1".encode()

    def _body(self) -> bytes:
        return self._chance.choice(
            (BODY, BODY * 3, b"x", b"\r\n\r\n", self._chance.randbytes(300), b"0\r\n\r\n" + BODY)
        )

    def _chunked(self, body: bytes) -> bytes:
        parts = []
        while body:
            size = self._chance.choice((1, 5, 30, len(body)))
            part, body = body[:size], body[size:]
            length = self._chance.choice(("%x", "%X", "%04x")) % len(part)
            parts.append(length.encode() + self._chance.choice(EXTENSIONS) + b"\r\n" + part + b"\r\n")
        parts.append(b"0" + self._chance.choice(EXTENSIONS) + b"\r\n")
        parts += [trailer + b"\r\n" for trailer in self._chance.sample(TRAILERS, k=self._chance.choice((0, 0, 1, 3)))]
        # The limit on what is no body is tested elsewhere; here it would hide all else.
        return b"".join([*parts, b"\r\n"]) if sum(map(len, parts)) < 20_000 else b"0\r\n\r\n"

    def _damaged(self, data: bytes) -> bytes:
        damaged = bytearray(data)
        for _ in range(self._chance.choice((1, 1, 2, 5))):
            at = self._chance.randrange(len(damaged) + 1)
            match self._chance.randrange(4):
                case 0:
                    damaged[at : at + 1] = self._chance.randbytes(1)
                case 1:
                    del damaged[at : at + self._chance.choice((1, 2, 20))]
                case 2:
                    damaged[at:at] = self._chance.choice(
                        (b"\r\n", b"\n", b"\r", b"\x00", b" ", b":", b"0\r\n\r\n", b"\r\n" * 500)
                    )
                case 3:
                    damaged[at:at] = damaged[at : at + 50]
        return bytes(damaged)

    def _pieces(self, data: bytes) -> list[bytes]:
        count = self._chance.choice((1, 1, 2, 3, 6))
        cuts = sorted(self._chance.randrange(len(data) + 1) for _ in range(count - 1))
        return [data[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(data)], strict=True) if begin < end]
