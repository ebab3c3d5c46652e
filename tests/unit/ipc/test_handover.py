"""A running process is connected with another one by what its parent hands it."""

import os
import socket

import pytest

from server.ipc.arena import PAGE, Arena
from server.ipc.handover import hand, receive
from server.ipc.messages import pair


def test_a_worker_gets_a_channel_and_an_engine_the_memory_too() -> None:
    parents, childs = pair()
    ours, theirs = pair()
    arena = Arena.create(PAGE)
    arena.bytes[:3] = (1, 2, 3)
    with parents, childs, ours:
        hand(parents, 0, [theirs.fileno()])
        hand(parents, 300, [theirs.fileno(), arena.fileno()])
        theirs.close()
        engine, worker = receive(childs), receive(childs)
        assert engine is not None
        assert worker is not None
        assert (engine.number, engine.arena, worker.number) == (0, None, 300)
        assert worker.arena is not None
        assert Arena(worker.arena).bytes[:3].tolist() == [1, 2, 3]
        assert not os.get_inheritable(worker.arena)
        for peer in (engine, worker):
            assert peer.channel.type == socket.SOCK_SEQPACKET
            peer.channel.send(b"packet")
            assert ours.recv(16) == b"packet"
            peer.channel.close()
        os.close(worker.arena)
    arena.close()


def test_none_waits_none_will_come_and_none_is_there_are_told_apart() -> None:
    parents, childs = pair()
    childs.setblocking(False)
    with childs:
        with pytest.raises(BlockingIOError):
            receive(childs)
        parents.send(b"\0\0")  # as the kernel delivers it to a process that may open nothing more
        with pytest.raises(ConnectionError, match=r"^no descriptor is left for a channel$"):
            receive(childs)
        parents.close()
        assert receive(childs) is None


def test_handing_to_a_process_that_has_ended_is_an_error() -> None:
    parents, childs = pair()
    childs.close()
    with parents, pytest.raises(ConnectionError):
        hand(parents, 0, [parents.fileno()])
