"""One engine process as a worker sees it: requests out, replies in, memory held until the engine lets go of it."""

import asyncio
import itertools
import socket
from collections.abc import Callable
from dataclasses import dataclass

from server.http.errors import NotReady, QueueFull
from server.ipc.arena import Blocks
from server.ipc.messages import (
    MAX_PACKET,
    Cancel,
    Done,
    EmbedFiles,
    EmbedPixels,
    Loaded,
    decode_reply,
    encode,
)


@dataclass
class _Pending:
    answer: asyncio.Future[Done]
    memory: Blocks
    images: int


STOPPED = "the engine has stopped; it is being started again"


class EngineLink:
    """One engine process."""

    def __init__(self, channel: socket.socket, count: Callable[[int], None]) -> None:
        """Take over this worker's end of a channel; `count` is told how many images more are outstanding, or fewer."""
        channel.setblocking(False)
        self.loaded: Loaded | None = None
        self.outstanding = 0
        self._channel = channel
        self._count = count
        self._pending: dict[int, _Pending] = {}
        self._numbers = itertools.count()

    def start(self) -> None:
        """Listen to the engine, in the running event loop."""
        asyncio.get_running_loop().add_reader(self._channel, self._read)

    def finish(self) -> None:
        """Take the last replies of an engine that has ended, and hang up."""
        if self.open:
            self._read()
        self.close()

    def close(self) -> None:
        """Hang up; whoever still waits is told that the engine has stopped."""
        if self.open:
            asyncio.get_running_loop().remove_reader(self._channel)
            self._channel.close()
        self.loaded = None
        for number in list(self._pending):
            self._settle(number, NotReady(STOPPED))

    async def ask(self, message: EmbedPixels | EmbedFiles, images: int, memory: Blocks) -> Done:
        """Send a request, numbering it, and wait until it is done.

        Raises:
            QueueFull: the engine does not even read its messages.
            NotReady: the engine has gone.
        """
        message.id = next(self._numbers)
        try:
            self._channel.send(encode(message))
        except BlockingIOError:
            raise QueueFull("the engine is too busy to take requests; try again") from None
        except OSError:
            raise NotReady(STOPPED) from None
        pending = _Pending(asyncio.get_running_loop().create_future(), memory, images)
        self._pending[message.id] = pending
        memory.hold()
        self._add(images)
        try:
            return await pending.answer
        except asyncio.CancelledError:
            self._cancel(message.id)
            raise

    def _cancel(self, number: int) -> None:
        if number in self._pending:
            try:
                self._channel.send(encode(Cancel(number)))
            except OSError:
                return  # it then does the work for nothing

    def _read(self) -> None:
        while True:
            try:
                packet = self._channel.recv(MAX_PACKET)
            except BlockingIOError:
                return
            except OSError:
                packet = b""
            if not packet:
                self.close()
                return
            reply = decode_reply(packet)
            if isinstance(reply, Loaded):
                self.loaded = reply
            else:
                self._settle(reply.id, reply)

    def _settle(self, number: int, outcome: Done | Exception) -> None:
        pending = self._pending.pop(number)
        self._add(-pending.images)
        if not pending.answer.done():
            if isinstance(outcome, Done):
                pending.answer.set_result(outcome)
            else:
                pending.answer.set_exception(outcome)
        pending.memory.drop()

    @property
    def open(self) -> bool:
        """Whether the engine has not ended, as far as is known."""
        return self._channel.fileno() >= 0

    def _add(self, images: int) -> None:
        self.outstanding += images
        self._count(images)
