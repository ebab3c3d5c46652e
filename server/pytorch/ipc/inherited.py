"""What a child process inherits from the one that started it, as descriptors named on its command line."""

import argparse
import socket
from dataclasses import dataclass


@dataclass(frozen=True)
class Inherited:
    """Descriptors, by what they are.

    Attributes:
        channels: this process's ends, in the order of the other side's processes.
        arenas: of each worker, in their order; a worker has only its own.
        counters: the table, of which this process writes `row`.
        lifeline: a pipe that ends with the parent.
        listener: the socket that is listened on; of workers only, as are the next three.
        connections: the table of the workers' connections.
        inbox: where connections from other workers come in.
        outboxes: the other ends of all workers' inboxes, in their order.
        gpu: the CUDA device; of engines on a GPU only.
    """

    channels: list[socket.socket]
    arenas: list[int]
    counters: int
    row: int
    lifeline: int
    listener: int | None
    connections: int | None
    inbox: int | None
    outboxes: list[int]
    gpu: int | None


def arguments(
    *,
    channels: list[socket.socket],
    arenas: list[int],
    counters: int,
    row: int,
    lifeline: int,
    listener: int | None = None,
    connections: int | None = None,
    inbox: int | None = None,
    outboxes: list[int] | None = None,
    gpu: int | None = None,
) -> list[str]:
    """Return the command line arguments from which `parse` gets the same."""
    values = {
        "channels": ",".join(str(channel.fileno()) for channel in channels),
        "arenas": ",".join(map(str, arenas)),
        "counters": counters,
        "row": row,
        "lifeline": lifeline,
        "listener": listener,
        "connections": connections,
        "inbox": inbox,
        "outboxes": ",".join(map(str, outboxes)) if outboxes else None,
        "gpu": gpu,
    }
    return [f"--{name}={value}" for name, value in values.items() if value is not None]


def parse(arguments: list[str]) -> Inherited:
    """Return what the command line names; the sockets are taken over."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--channels", type=_numbers, required=True)
    parser.add_argument("--arenas", type=_numbers, required=True)
    parser.add_argument("--counters", type=int, required=True)
    parser.add_argument("--row", type=int, required=True)
    parser.add_argument("--lifeline", type=int, required=True)
    parser.add_argument("--listener", type=int)
    parser.add_argument("--connections", type=int)
    parser.add_argument("--inbox", type=int)
    parser.add_argument("--outboxes", type=_numbers, default=[])
    parser.add_argument("--gpu", type=int)
    found = parser.parse_args(arguments)
    channels = [socket.socket(fileno=descriptor) for descriptor in found.channels]
    return Inherited(**{**vars(found), "channels": channels})


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]
