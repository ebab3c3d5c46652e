"""The engine's ends of the channels: one thread reads what all workers send and never waits for any of them."""

import logging
import selectors
import socket
import threading
from collections import deque
from collections.abc import Callable
from typing import Protocol

import numpy as np

from server.http.heartbeat import BEAT_EVERY_S
from server.ipc.arena import Arena
from server.ipc.messages import MAX_PACKET, Reply, ToEngine, decode_request, encode
from server.oip.spec import EMBEDDING_SIZE

log = logging.getLogger("bakeoff.pytorch")


class Channel:
    """One worker: its socket and its arena."""

    def __init__(self, channel: socket.socket, arena: Arena, wake: Callable[[], None]) -> None:
        """Take over a socket.

        Args:
            wake: makes the reading thread look whether a channel has something left to send.
        """
        channel.setblocking(False)
        self.arena = arena
        self.socket = channel
        self.gone = False
        """Whether the worker has ended."""
        self._wake = wake
        self._lock = threading.Lock()
        self._backlog: deque[bytes] = deque()

    def send(self, reply: Reply) -> None:
        """Send a reply, or keep it until the worker has read others; from any thread. A worker that has gone gets nothing."""
        with self._lock:
            self._backlog.append(encode(reply))
            if len(self._backlog) > 1 or not self._flush():
                self._wake()

    def flush(self) -> bool:
        """Send what is kept; true when nothing is left."""
        with self._lock:
            return self._flush()

    @property
    def waits_to_send(self) -> bool:
        """True while replies are kept."""
        return bool(self._backlog)

    def close(self) -> None:
        """Hang up on a worker that has gone."""
        self.gone = True
        with self._lock:
            self.socket.close()
            self._backlog.clear()

    def result(self, offset: int, count: int) -> "np.ndarray[tuple[int, int], np.dtype[np.float32]]":
        """Return the place for `count` embeddings at `offset` of the arena, FP32 `[count, 512]`."""
        row_bytes = EMBEDDING_SIZE * np.dtype(np.float32).itemsize
        return self.arena.view(offset, count * row_bytes).view(np.float32).reshape(count, EMBEDDING_SIZE)

    def _flush(self) -> bool:
        while self._backlog:
            try:
                self.socket.send(self._backlog[0])
            except BlockingIOError:
                return False
            except OSError:  # the worker is gone, and so is everybody who waited for its answers
                self._backlog.clear()
                return True
            self._backlog.popleft()
        return True


class Service(Protocol):
    """What is done for the workers; all of it in the thread of `Channels.serve`."""

    def greet(self, channel: Channel) -> None:
        """Begin with a worker."""

    def handle(self, channel: Channel, message: ToEngine) -> None:
        """Take what it asks."""

    def forget(self, channel: Channel) -> None:
        """Do nothing more for a worker that has gone."""

    def beat(self) -> None:
        """Do what is to be done at least every `BEAT_EVERY_S`."""


class Channels:
    """All channels of the engine."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._woken, self._waker = socket.socketpair()
        self._waker.setblocking(False)
        self._selector.register(self._woken, selectors.EVENT_READ, None)
        self._coming: deque[Channel] = deque()
        self._finishing = False
        self.all: list[Channel] = []

    def add(self, end: socket.socket, arena: Arena) -> None:
        """Take over the channel of one more worker, with the memory that it shares; from any thread."""
        self._coming.append(Channel(end, arena, self._wake))
        self._wake()

    def finish(self) -> None:
        """Let `serve` end once all workers have gone; from any thread."""
        self._finishing = True
        self._wake()

    def serve(self, service: Service) -> None:
        """Serve the workers that are added, until `finish`."""
        try:
            self._serve(service)
        finally:
            self._selector.close()
            for end in (self._woken, self._waker):
                end.close()

    def _serve(self, service: Service) -> None:
        while self.all or self._coming or not self._finishing:
            service.beat()
            for key, events in self._selector.select(BEAT_EVERY_S):
                channel: Channel | None = key.data
                if channel is None:
                    self._woken.recv(4096)
                    self._greet(service)
                    self._watch_backlogs()
                    continue
                if events & selectors.EVENT_WRITE and channel.flush():
                    self._selector.modify(channel.socket, selectors.EVENT_READ, channel)
                if events & selectors.EVENT_READ and not self._read(channel, service):
                    self._selector.unregister(channel.socket)
                    self.all.remove(channel)
                    channel.close()
                    service.forget(channel)

    def _greet(self, service: Service) -> None:
        while self._coming:
            channel = self._coming[0]
            self._selector.register(channel.socket, selectors.EVENT_READ, channel)
            self.all.append(channel)
            self._coming.popleft()
            service.greet(channel)

    def _read(self, channel: Channel, service: Service) -> bool:
        try:
            packet = channel.socket.recv(MAX_PACKET)
        except BlockingIOError:
            return True
        except ConnectionError:
            return False
        if not packet:
            return False
        service.handle(channel, decode_request(packet))
        return True

    def _watch_backlogs(self) -> None:
        for channel in self.all:
            if channel.waits_to_send:
                self._selector.modify(channel.socket, selectors.EVENT_READ | selectors.EVENT_WRITE, channel)

    def _wake(self) -> None:
        try:
            self._waker.send(b"\0")
        except OSError:
            return  # it is awake already, or has ended
