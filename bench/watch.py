"""Notices a backend that is started again, compiles, or stops being ready while it is measured."""

from types import TracebackType
from typing import Any, Self

import httpx

from bench.addresses import Addresses
from bench.proxies import http_client
from bench.targets import parse_ready, with_path


class Watch:
    """Asks the stack's `/ready` between windows; a context manager."""

    def __init__(self, addresses: Addresses, timeout_s: float = 5.0) -> None:
        """Watch the stack at `addresses`."""
        self._addresses = addresses
        self._http = http_client(addresses.ready_url, addresses.headers, timeout_s)
        self._last = self._look()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        self._http.close()

    def change(self, backend: str) -> str | None:
        """Tell what has happened to a backend since the last question, about whichever backend; None: nothing known.

        A start that begins and ends between two questions shows in the seconds that it took.
        """
        before, seen = self._last, self._look()
        self._last = seen or before  # what is asked in vain, such as 8002 while it starts again, is compared later
        then, now = before.get(backend), seen.get(backend)
        if then is None or now is None or then == now:
            return None
        if now[0] != "ready":
            return f"the server was {now[0]} at the end of a window"
        return "the server was restarted during a window"

    def _look(self) -> dict[str, tuple[Any, ...]]:
        try:
            answer = self._http.get(with_path(self._addresses.ready_url))
            stack = parse_ready(answer.json(), self._addresses)
        except (httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError):
            return {}
        return {target.name: target.start for target in stack.targets}
