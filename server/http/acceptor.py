"""Taking connections: evenly by all workers, with one limit for all of them, and never more than there are descriptors for.

The workers share one listening socket. Whoever wakes first takes a connection, and hands it over to the worker that has the fewest.
A listener for each (SO_REUSEPORT) would be filled by a hash: of 16 connections 8 workers were measured to get 0 to 7. It would also
leave the connections of a worker that hangs without an answer, and let any process of the same user join the port.
"""

import asyncio
import logging
import socket
from collections.abc import Callable, Collection, Sequence

from server.descriptors import REFUSED
from server.http.connection import Connection
from server.ipc.connections import ConnectionTable

AT_ONCE = 16
"""Connections taken before the event loop goes on."""

PAUSE_S = 0.1
"""Before the next attempt when no connection can be taken; they wait in the kernel."""

log = logging.getLogger("bakeoff.http")


class Acceptor:
    """One worker's share of the port."""

    def __init__(
        self,
        listener: socket.socket,
        table: ConnectionTable,
        row: int,
        *,
        most: int,
        inbox: socket.socket,
        outboxes: Sequence[socket.socket],
        silent: Callable[[], Collection[int]],
    ) -> None:
        """Prepare; `start` takes connections.

        Args:
            listener: the socket that all workers listen on.
            table: the connections of all workers; this one writes `row`.
            row: this worker's.
            most: connections that all workers together may have.
            inbox: where connections from other workers come in.
            outboxes: the other ends of all workers' inboxes, in their order.
            silent: returns the workers that seem to hang.
        """
        self._listener = listener
        self._table = table
        self._row = row
        self._most = most
        self._inbox = inbox
        self._outboxes = outboxes
        self._silent = silent
        self._served: set[Connection] = set()
        self._refused: set[Connection] = set()
        self._tasks: set[asyncio.Task[object]] = set()
        self._resuming: asyncio.TimerHandle | None = None
        self._troubled = False
        for one in (listener, inbox, *outboxes):
            one.setblocking(False)

    def start(self, protocol: Callable[[], Connection]) -> None:
        """Take connections in the running event loop; `protocol` makes what serves one."""
        self._loop = asyncio.get_running_loop()
        self._protocol = protocol
        self._loop.add_reader(self._listener, self._accept, AT_ONCE)
        self._loop.add_reader(self._inbox, self._receive)
        self._table.take(self._row, True)

    @property
    def serving(self) -> bool:
        """Whether there are connections, also such as have just been taken."""
        return bool(self._served or self._refused)

    def keep_to_itself(self) -> None:
        """Get none from the other workers any more, and give them none."""
        self._table.take(self._row, False)

    @property
    def handed_over(self) -> bool:
        """Whether another program accepts the port's connections."""
        return self._table.handed_over

    def leave(self) -> None:
        """Leave what connects from now on to that program."""
        self._stop_listening()

    def close(self) -> None:
        """Take what has been connected until now, unless it is another program's, and stop listening."""
        if self._listener.fileno() >= 0:
            self._accept()
            self._stop_listening()
        self._receive()
        self._loop.remove_reader(self._inbox)
        self._inbox.close()

    def _stop_listening(self) -> None:
        if self._resuming:
            self._resuming.cancel()
        self._loop.remove_reader(self._listener)
        self._listener.close()

    def _accept(self, count: int | None = None) -> None:
        while count is None or count > 0:
            if len(self._refused) >= REFUSED:
                self._pause()
                return
            try:
                client, _ = self._listener.accept()
            except BlockingIOError:
                return
            except ConnectionAbortedError:
                continue
            except OSError as error:
                if not self._troubled:
                    log.error("no connection can be taken on port 8002: %s; trying again", error.strerror)
                self._troubled = True
                self._pause()
                return
            self._troubled = False
            client.setblocking(False)
            with self._table.turn():
                among = self._place(client)
            if among is not None:
                self._serve(client, among)
            count = count and count - 1

    def _place(self, client: socket.socket) -> set[Connection] | None:
        """Return among which a connection belongs here; None: it was given to the worker that has the fewest."""
        opened = self._table.open()
        if sum(opened) >= self._most:
            return self._refused
        takers = self._table.takers()
        if self._row in takers:
            silent = self._silent()
            other = min((row for row in takers if row not in silent), key=lambda row: opened[row], default=self._row)
            if opened[other] < opened[self._row] and self._give(client, other):
                return None
        self._table.keep(self._row)
        return self._served

    def _give(self, client: socket.socket, other: int) -> bool:
        try:
            socket.send_fds(self._outboxes[other], [b"c"], [client.fileno()])
        except OSError:  # it is too busy to take them, or has ended
            return False
        self._table.give(self._row, other)
        client.close()
        return True

    def _receive(self) -> None:
        while True:
            try:
                _, descriptors, _, _ = socket.recv_fds(self._inbox, 1, 1)
            except BlockingIOError:
                return
            if descriptors:
                self._serve(socket.socket(fileno=descriptors[0]), self._served)
            else:  # there was no room for it
                self._table.close(self._row)

    def _serve(self, client: socket.socket, among: set[Connection]) -> None:
        connection = self._protocol()
        among.add(connection)
        connection.lost = self._forget
        if among is self._refused:
            connection.too_many = self._most
        task: asyncio.Task[object] = self._loop.create_task(
            self._loop.connect_accepted_socket(lambda: connection, client)
        )
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._connected(done, connection))

    def _connected(self, task: asyncio.Task[object], connection: Connection) -> None:
        self._tasks.discard(task)
        if task.cancelled() or task.exception():  # the client has left already
            self._forget(connection)

    def _forget(self, connection: Connection) -> None:
        if connection in self._served:
            self._served.remove(connection)
            self._table.close(self._row)
        self._refused.discard(connection)

    def _pause(self) -> None:
        self._loop.remove_reader(self._listener)
        self._resuming = self._loop.call_later(PAUSE_S, self._loop.add_reader, self._listener, self._accept, AT_ONCE)
