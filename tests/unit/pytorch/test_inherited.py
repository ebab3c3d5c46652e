"""A child finds on its command line what its parent handed it."""

import socket

import pytest

from server.pytorch.ipc.inherited import arguments, parse
from server.pytorch.ipc.messages import pair


@pytest.mark.parametrize(("listener", "gpu"), [(13, None), (None, 1), (None, 0)])
def test_a_child_parses_what_its_parent_wrote(listener: int | None, gpu: int | None) -> None:
    ends = [pair(), pair()]
    written = arguments(
        channels=[ours for ours, _ in ends], arenas=[7, 8], counters=9, row=3, lifeline=11, listener=listener, gpu=gpu
    )
    for ours, _ in ends:
        ours.detach()  # a child has the descriptors, and no socket of its parent's
    found = parse(written)
    assert (found.arenas, found.counters, found.row, found.lifeline) == ([7, 8], 9, 3, 11)
    assert (found.listener, found.gpu) == (listener, gpu)
    for (_, theirs), ours in zip(ends, found.channels, strict=True):
        assert ours.type == socket.SOCK_SEQPACKET
        ours.send(b"packet")
        assert theirs.recv(16) == b"packet"
        ours.close()
        theirs.close()


@pytest.mark.parametrize("name", ["channels", "arenas", "counters", "row", "lifeline"])
def test_what_every_child_needs_must_be_there(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    ours, theirs = pair()
    with ours, theirs:
        whole = arguments(channels=[ours], arenas=[7], counters=9, row=3, lifeline=11)
        with pytest.raises(SystemExit):
            parse([each for each in whole if not each.startswith(f"--{name}=")])
    assert f"--{name}" in capsys.readouterr().err


def test_nothing_is_said_of_what_there_is_not() -> None:
    assert arguments(channels=[], arenas=[], counters=1, row=2, lifeline=3) == [
        "--channels=",
        "--arenas=",
        "--counters=1",
        "--row=2",
        "--lifeline=3",
    ]


def test_a_worker_has_its_listener_and_its_ways_to_the_others() -> None:
    ours, theirs = pair()
    with theirs:
        written = arguments(
            channels=[ours], arenas=[7], counters=9, row=3, lifeline=11, listener=13, connections=14, inbox=15,
            outboxes=[16, 17, 18],
        )  # fmt: skip
        ours.detach()
        found = parse(written)
        assert (found.listener, found.connections, found.inbox, found.outboxes) == (13, 14, 15, [16, 17, 18])
        for channel in found.channels:
            channel.close()


def test_an_engine_has_none_of_these() -> None:
    ours, theirs = pair()
    with theirs:
        written = arguments(channels=[ours], arenas=[7], counters=9, row=3, lifeline=11, outboxes=[])
        ours.detach()
        found = parse(written)
        assert (found.listener, found.connections, found.inbox, found.outboxes) == (None, None, None, [])
        found.channels[0].close()
