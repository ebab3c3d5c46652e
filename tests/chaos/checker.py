"""A steady mixed load on every backend, and a verdict on each answer."""

import http.client
import json
import select
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from bench.server.requests import Body, body_of_files, body_of_pixels, embeddings
from server.model.reference import Reference

REQUEST_TIMEOUT_S = 90.0
"""Longer than REQUEST_TIMEOUT_S of the server, so that it is the server who gives up."""

PAUSE_S = 0.2
"""Between a client's requests, and before it repeats one that was refused."""


@dataclass
class Tally:
    """What became of the requests.

    Attributes:
        counts: by backend and kind: `right`, `wrong`, `refused` (an error with a message), `closed` (no connection: the
            port was closed), `broken` (the connection ended without an answer), `unclear` (an error without a message).
        examples: of each kind but `right`, different ones.
    """

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    examples: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, backend: str, kind: str, example: str) -> None:
        """Count one."""
        with self.lock:
            self.counts[backend, kind] += 1
            if kind != "right":
                self.examples.add(f"{backend}: {kind}: {example}")

    def snapshot(self) -> Counter[tuple[str, str]]:
        """Return the counts so far."""
        with self.lock:
            return Counter(self.counts)


class Client(threading.Thread):
    """One connection at a time to one backend; repeats a request until it has the right answer."""

    def __init__(
        self,
        backend: str,
        index: int,
        port: int,
        headers: dict[str, str],
        reference: Reference,
        tolerance: float,
        tally: Tally,
        stop: threading.Event,
    ) -> None:
        super().__init__(name=f"{backend}-{index}", daemon=True)
        self._backend = backend
        self._port = port
        self._headers = headers
        self._reference = reference
        self._tolerance = tolerance
        self._tally = tally
        self._stop_event = stop
        self._connection: http.client.HTTPConnection | None = None
        self._turn = sum(self.name.encode())
        self.unanswered_since: float | None = None
        """When the request at hand was first sent, if it has not been answered right yet."""

    def run(self) -> None:
        """Ask until told to stop."""
        while not self._stop_event.is_set():
            self._turn += 1
            rows = [(self._turn + index) % len(self._reference.files) for index in range((1, 3, 2)[self._turn % 3])]
            body = self._body(rows)
            self.unanswered_since = time.monotonic()
            while not self._ask(body, rows) and not self._stop_event.is_set():
                self._stop_event.wait(PAUSE_S)
            self.unanswered_since = None
            self._stop_event.wait(PAUSE_S)
        if self._connection is not None:
            self._connection.close()

    def _body(self, rows: list[int]) -> Body:
        if self._turn % 2:
            return body_of_files([self._reference.files[row] for row in rows])
        return body_of_pixels([self._reference.pixels[row].tobytes() for row in rows])

    def _ask(self, body: Body, rows: list[int]) -> bool:
        """Return whether the answer was right; a wrong one counts, and is not asked for again."""
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=REQUEST_TIMEOUT_S)
        if self._connection.sock is not None and select.select([self._connection.sock], [], [], 0)[0]:
            self._connection.close()  # the server has closed it while it was idle
        try:
            if self._connection.sock is None:
                self._connection.connect()
        except OSError as error:
            self._drop("closed", repr(error))
            return False
        try:
            self._connection.request("POST", body.path, body.data, {**body.headers, **self._headers})
            answer = self._connection.getresponse()
            data = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self._drop("broken", repr(error))
            return False
        if answer.status == 200:
            found = embeddings(data, int(answer.headers["Inference-Header-Content-Length"]))
            right = np.allclose(found, self._reference.embeddings[rows], atol=self._tolerance)
            self._tally.add(self._backend, "right" if right else "wrong", f"rows {rows}")
            return True
        try:
            message = json.loads(data)["error"]
        except (ValueError, LookupError, TypeError):
            self._tally.add(self._backend, "unclear", f"{answer.status} {data[:100]!r}")
        else:
            self._tally.add(self._backend, "refused", f"{answer.status} {message}")
        return False

    def _drop(self, kind: str, example: str) -> None:
        self._tally.add(self._backend, kind, example)
        assert self._connection is not None
        self._connection.close()
        self._connection = None


class Load:
    """Several clients on each backend."""

    def __init__(
        self, ports: dict[str, int], headers: dict[str, str], reference: Reference, tolerance: float, clients: int = 2
    ) -> None:
        self.tally = Tally()
        self._stop = threading.Event()
        self.clients = [
            Client(backend, index, port, headers, reference, tolerance, self.tally, self._stop)
            for backend, port in ports.items()
            for index in range(clients)
        ]

    def __enter__(self) -> "Load":
        for client in self.clients:
            client.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for client in self.clients:
            client.join(REQUEST_TIMEOUT_S)

    def all_answered_since(self, moment: float) -> bool:
        """Tell whether no client still waits for the right answer to a request that it first sent before `moment`."""
        waiting = [client.unanswered_since for client in self.clients]
        return all(since is None or since >= moment for since in waiting)
