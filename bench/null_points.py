"""What the client reaches against the null server, for every load of a run: its own limit."""

from collections.abc import Iterable

from bench.histogram import Latencies
from bench.null_server import NullServer
from bench.one_window import Windows
from bench.result import NullPoint
from bench.rounds import Shape
from bench.scenarios import Scenario

WINDOW_S, WINDOWS = 0.1, 2
"""Two windows, of which the better counts: a limit is what can be reached."""


def measure(measuring: Windows, scenarios: Iterable[Scenario]) -> list[NullPoint]:
    """Apply the load of every closed loop to the null server, with as many processes as the client has.

    Raises:
        BenchError: the null server does not start.
    """
    loads = {shape(each): each for each in scenarios if each.in_flight and each.kind != "wan"}
    found = []
    with NullServer(measuring.clients.processes) as null:
        for scenario in loads.values():
            load = measuring.load(scenario, null.endpoint, 0, WINDOW_S, None)
            seen = max((measuring.clients.apply(load) for _ in range(WINDOWS)), key=lambda each: each.images_per_s)
            found.append(
                NullPoint(
                    input=scenario.input,
                    transport=scenario.transport,
                    batch=scenario.batch,
                    in_flight=scenario.in_flight or 0,
                    images_per_s=seen.images_per_s,
                    p50_ms=Latencies.of(seen.latencies_s).percentile_ms(50),
                    client_cores=seen.cpu_s / seen.elapsed_s,
                )
            )
    return found


def shape(load: Scenario | NullPoint) -> Shape:
    """Return what the client's limit depends on."""
    return load.input, load.transport, load.batch, load.in_flight or 0
