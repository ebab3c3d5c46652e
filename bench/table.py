"""The one table of points: which scenarios there are, and which backends each is measured on."""

from collections.abc import Collection, Mapping, Sequence

from bench.scenarios import INPUTS, TRANSPORTS, Input, Kind, Scenario, Transport

QUICK_BATCH = {True: 8, False: 4}
"""Images per request of the short form's `batch`, on a GPU and on a CPU: five rounds fit into a minute on two slow cores."""

HTTP_ONLY: list[Transport] = ["http"]
MOST_IN_FLIGHT = 64

OFFLINE = {True: (32, 32), False: (8, 4)}
"""Images per request and requests in flight of `offline`, on a GPU and on a CPU: enough that more brings no more there
(docs/performance.md), and little enough that a window holds several turns."""


def scenarios(
    kinds: Collection[str], transports: Collection[Transport], max_batch: int, on_gpu: bool, quick: bool
) -> tuple[Scenario, ...]:
    """Return the scenarios of a run, in the order of the tables.

    Args:
        kinds: that were asked for; those that are no load, such as `startup`, are left out.
        transports: that any backend speaks; the short form is over HTTP.
        max_batch: most images per request.
        on_gpu: whether the models run on a GPU.
        quick: the short form.
    """
    spoken = [each for each in TRANSPORTS if each in transports and not (quick and each != "http")]
    found: list[Scenario] = []
    for kind, loads in _loads(max_batch, on_gpu, quick).items():
        if kind in kinds:
            for medium in spoken if kind != "wan" else HTTP_ONLY:
                for source in INPUTS:
                    found += [_scenario(kind, source, medium, batch, in_flight) for batch, in_flight in loads]
    return tuple(found)


def _loads(max_batch: int, on_gpu: bool, quick: bool) -> dict[Kind, list[tuple[int, int | None]]]:
    batches = [min(QUICK_BATCH[on_gpu], max_batch)] if quick else powers_of_two(max_batch)
    offline_batch, offline_in_flight = OFFLINE[on_gpu]
    return {
        "single": [(1, 1)],
        "batch": [(batch, 1) for batch in batches if batch > 1],
        "concurrency": [(1, in_flight) for in_flight in powers_of_two(MOST_IN_FLIGHT)],
        "offline": [(min(offline_batch, max_batch), offline_in_flight)],
        "server": [(1, None)],
        "wan": [(1, 1)],
    }


def _scenario(kind: Kind, source: Input, medium: Transport, batch: int, in_flight: int | None) -> Scenario:
    return Scenario(kind=kind, input=source, transport=medium, batch=batch, in_flight=in_flight)


def powers_of_two(most: int) -> list[int]:
    """Return 2, 4, 8, ... and `most` itself."""
    found = []
    value = 2
    while value < most:
        found.append(value)
        value *= 2
    return [*found, most] if most > 1 else []


def speaking(scenario: Scenario, transports: Mapping[str, Collection[Transport]]) -> list[str]:
    """Return the backends that a scenario is measured on, of all by name with the transports that they speak."""
    return [name for name, spoken in transports.items() if scenario.transport in spoken]


def sweep(found: Sequence[Scenario]) -> dict[tuple[Kind, Input, Transport], list[Scenario]]:
    """Return the scenarios by curve; those of one curve differ in batch or requests in flight, and ascend."""
    curves: dict[tuple[Kind, Input, Transport], list[Scenario]] = {}
    for each in found:
        curves.setdefault((each.kind, each.input, each.transport), []).append(each)
    return curves


def thinned(found: Sequence[Scenario]) -> tuple[Scenario, ...]:
    """Return the scenarios with every second one left out of each curve; its largest stays.

    A curve of one point stays as it is.
    """
    kept = {each for curve in sweep(found).values() for each in curve[::-1][::2]}
    return tuple(each for each in found if each in kept)
