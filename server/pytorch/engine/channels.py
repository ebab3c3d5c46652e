"""The engine's ends of the channels: one thread reads what all workers send and never waits for any of them."""

import logging
import selectors
import socket
import threading
from collections import deque
from collections.abc import Callable

import numpy as np

from server.oip.spec import EMBEDDING_SIZE
from server.pytorch.heartbeat import BEAT_EVERY_S
from server.pytorch.ipc.arena import Arena
from server.pytorch.ipc.messages import MAX_PACKET, Reply, Request, decode_request, encode

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
        self._wake = wake
        self._lock = threading.Lock()
        self._backlog: deque[bytes] = deque()

    def send(self, reply: Reply) -> None:
        """Send a reply, or keep it until the worker has read others; from any thread. A dead worker gets nothing."""
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


class Channels:
    """All channels of the engine."""

    def __init__(self, ends: list[tuple[socket.socket, Arena]]) -> None:
        self._selector = selectors.DefaultSelector()
        self._open = 0
        self._woken, self._waker = socket.socketpair()
        self._waker.setblocking(False)
        self._selector.register(self._woken, selectors.EVENT_READ, None)
        self.all = [Channel(end, arena, self._wake) for end, arena in ends]
        for channel in self.all:
            self._selector.register(channel.socket, selectors.EVENT_READ, channel)

    def serve(self, handle: Callable[[Channel, Request], None], beat: Callable[[], None]) -> None:
        """Give every request to `handle` until the last worker has closed its end; `beat` at least every `BEAT_EVERY_S`."""
        self._open = len(self.all)
        try:
            self._serve(handle, beat)
        finally:
            self._selector.close()
            for end in (self._woken, self._waker):
                end.close()

    def _serve(self, handle: Callable[[Channel, Request], None], beat: Callable[[], None]) -> None:
        while self._open:
            beat()
            for key, events in self._selector.select(BEAT_EVERY_S):
                channel: Channel | None = key.data
                if channel is None:
                    self._woken.recv(4096)
                    self._watch_backlogs()
                    continue
                if events & selectors.EVENT_WRITE and channel.flush():
                    self._selector.modify(channel.socket, selectors.EVENT_READ, channel)
                if events & selectors.EVENT_READ and not self._read(channel, handle):
                    self._selector.unregister(channel.socket)
                    self._open -= 1

    def _read(self, channel: Channel, handle: Callable[[Channel, Request], None]) -> bool:
        try:
            packet = channel.socket.recv(MAX_PACKET)
        except BlockingIOError:
            return True
        except ConnectionError:
            return False
        if not packet:
            return False
        handle(channel, decode_request(packet))
        return True

    def _watch_backlogs(self) -> None:
        for channel in self.all:
            if channel.waits_to_send and channel.socket in {key.fileobj for key in self._selector.get_map().values()}:
                self._selector.modify(channel.socket, selectors.EVENT_READ | selectors.EVENT_WRITE, channel)

    def _wake(self) -> None:
        try:
            self._waker.send(b"\0")
        except OSError:
            return  # it is awake already, or has ended
