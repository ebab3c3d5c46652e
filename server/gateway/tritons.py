"""The stack's Tritons, and which of them is asked."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from server.addresses import netloc
from server.backend_addresses import BackendAddress
from server.gateway.answers import NotServing, check_served
from server.gateway.connection import Answer, Part
from server.gateway.pool import Pool
from server.readiness import read_document
from server.state import READINESS

LOOK_EVERY_S = 0.5
"""At the readiness document, where there are several."""


class Triton:
    """One of them."""

    def __init__(self, address: BackendAddress) -> None:
        self.name = address.name
        self.pool = Pool(address.host, address.http_port)
        self._title = address.title
        fields = {"host": netloc(address.host, address.http_port), **address.header}
        self._fields = "".join(f"{name}: {value}\r\n" for name, value in fields.items())

    async def ask(self, method: str, path: str, fields: Mapping[str, str], body: Sequence[Part]) -> Answer:
        """Ask, with `fields` as further headers.

        Raises:
            NotServing, QueueFull, DeadlineExceeded: there is no answer to the question; see `check_served`.
        """
        more = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        head = f"{method} {path} HTTP/1.1\r\n{self._fields}{more}content-length: {sum(map(len, body))}\r\n\r\n"
        try:
            answer = await self.pool.ask([head.encode("latin-1"), *body])
        except OSError as error:
            reason = error.strerror or str(error) or "it takes no connections"
            raise NotServing(f"{self._title} does not answer ({reason}); ask GET /ready when to come back") from None
        check_served(answer, self._title)
        return answer


class Tritons:
    """The first of those that the readiness document calls ready is asked; of a lone one no document is needed."""

    def __init__(self, addresses: Sequence[BackendAddress], home: Path) -> None:
        """Take the Tritons in their fixed order; `home` is BAKEOFF_HOME."""
        self._all = [Triton(address) for address in addresses]
        self._order = self._all
        self._document = READINESS.at(home)

    async def watch(self) -> None:
        """Look at the readiness document for as long as this runs, where it decides."""
        while len(self._all) > 1:
            self._look(await asyncio.to_thread(self._ready))
            await asyncio.sleep(LOOK_EVERY_S)

    def _ready(self) -> set[str]:
        with contextlib.suppress(OSError):
            found = read_document(self._document)["backends"]
            return {name for name, backend in found.items() if backend["state"] == "ready"}
        return set()

    def _look(self, ready: set[str]) -> None:
        self._order = [triton for triton in self._all if triton.name in ready] or self._all

    async def ask(
        self, method: str, path: str, fields: Mapping[str, str] | None = None, body: Sequence[Part] = ()
    ) -> Answer:
        """Ask the first, and where that does not serve the next.

        Raises:
            NotServing: none does; the message is about the first.
            QueueFull, DeadlineExceeded: see `check_served`.
        """
        problem: NotServing | None = None
        for triton in self._order:
            try:
                return await triton.ask(method, path, fields or {}, body)
            except NotServing as error:
                problem = problem or error
        assert problem is not None
        raise problem

    def close(self) -> None:
        """Hang up."""
        for triton in self._all:
            triton.pool.close()
