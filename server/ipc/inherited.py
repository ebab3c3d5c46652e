"""What a child process inherits from the one that started it, named on its command line."""

import argparse
from dataclasses import asdict, dataclass

NO_DESCRIPTORS = ("row", "waits", "engines", "gpu")


@dataclass(frozen=True)
class Inherited:
    """Descriptors, by what they are, and the numbers of rows.

    Attributes:
        control: the channel over which the parent connects this process with others.
        lifeline: a pipe that ends with the parent.
        counters: the table, of which this process writes `row`.
        arena: a worker's own, as all that follows but the last.
        listener: the socket that is listened on.
        waits: 1 for a worker that accepts connections only once it can answer, because until then another program does.
        connections: the table of the workers' connections.
        inbox: where connections from other workers come in.
        outboxes: the other ends of all workers' inboxes, in their order.
        engines: the engines' rows.
        gpu: the CUDA device; of engines on a GPU only.
    """

    control: int
    lifeline: int
    counters: int
    row: int
    arena: int | None = None
    listener: int | None = None
    waits: int | None = None
    connections: int | None = None
    inbox: int | None = None
    outboxes: tuple[int, ...] = ()
    engines: tuple[int, ...] = ()
    gpu: int | None = None

    def arguments(self) -> list[str]:
        """Return the command line arguments from which `parse` gets the same."""
        return [f"--{name}={','.join(map(str, numbers))}" for name, numbers in self._numbers().items()]

    def descriptors(self) -> list[int]:
        """Return all that the child has to have open."""
        named = self._numbers().items()
        return [number for name, numbers in named if name not in NO_DESCRIPTORS for number in numbers]

    def _numbers(self) -> dict[str, tuple[int, ...]]:
        values = {name: value if isinstance(value, tuple) else (value,) for name, value in asdict(self).items()}
        return {name: numbers for name, numbers in values.items() if numbers not in ((), (None,))}


def parse(arguments: list[str]) -> Inherited:
    """Return what the command line names."""
    parser = argparse.ArgumentParser()
    for name in ("control", "lifeline", "counters", "row"):
        parser.add_argument(f"--{name}", type=int, required=True)
    for name in ("arena", "listener", "waits", "connections", "inbox", "gpu"):
        parser.add_argument(f"--{name}", type=int)
    for name in ("outboxes", "engines"):
        parser.add_argument(f"--{name}", type=_numbers, default=())
    return Inherited(**vars(parser.parse_args(arguments)))


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(",")))
