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
        listener: the socket that is listened on; of workers only.
        gpu: the CUDA device; of engines on a GPU only.
    """

    channels: list[socket.socket]
    arenas: list[int]
    counters: int
    row: int
    lifeline: int
    listener: int | None
    gpu: int | None


def arguments(
    *,
    channels: list[socket.socket],
    arenas: list[int],
    counters: int,
    row: int,
    lifeline: int,
    listener: int | None = None,
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
    parser.add_argument("--gpu", type=int)
    found = parser.parse_args(arguments)
    channels = [socket.socket(fileno=descriptor) for descriptor in found.channels]
    return Inherited(channels, found.arenas, found.counters, found.row, found.lifeline, found.listener, found.gpu)


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]
