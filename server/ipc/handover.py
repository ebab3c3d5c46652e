"""What connects a running process with another one, handed to it by the parent of both.

Each process has a channel to the parent for this, of local `SOCK_SEQPACKET` sockets, so that what is at the other end can be
replaced while this end runs on. A packet holds the other's number and, as descriptors (`SCM_RIGHTS`), what is shared with it.
"""

import os
import socket
from collections.abc import Iterable
from dataclasses import dataclass

MOST = 2
"""Descriptors in a packet."""


@dataclass(frozen=True)
class Peer:
    """A process at the other end, which takes the place of the one that had its number before, if there was one.

    Attributes:
        number: among the processes of its kind.
        channel: to it.
        arena: of a worker: the descriptor of the memory that it shares.
    """

    number: int
    channel: socket.socket
    arena: int | None


def hand(control: socket.socket, number: int, descriptors: Iterable[int]) -> None:
    """Hand `channel` and `arena` of a `Peer` to the process at the other end of `control`; ours stay open.

    Raises:
        OSError: that process has ended, or does not read.
    """
    socket.send_fds(control, [number.to_bytes(2, "big")], list(descriptors))


def receive(control: socket.socket) -> Peer | None:
    """Return the next process that this one is connected with; None when no more will come.

    Raises:
        BlockingIOError: there is none now, and `control` does not block.
        ConnectionError: its descriptors did not come with it, because this process has too many.
    """
    packet, descriptors, _, _ = socket.recv_fds(control, 2, MOST)
    if not packet:
        return None
    if not descriptors:
        raise ConnectionError("no descriptor is left for a channel")
    for descriptor in descriptors:  # `recv_fds` takes flags, and until Python 3.12 forgets them
        os.set_inheritable(descriptor, False)
    channel, *rest = descriptors
    return Peer(int.from_bytes(packet, "big"), socket.socket(fileno=channel), rest[0] if rest else None)
