"""The short form of `make chaos`: every kind of fault once under load, and one that only a server without a key shows."""

import pytest

from server.model.reference import Reference
from tests.chaos.checker import Load
from tests.chaos.faults import all_faults
from tests.chaos.outcome import problems
from tests.chaos.run import inject
from tests.stack.stack import ROW_TOLERANCE, RunningStack

SHORT = (
    "SIGKILL its preprocessing stub",
    "damage of ready.json",
    "slow clients: half a head",
    "half-open connections to Triton",
    "stop and start",
)


@pytest.mark.timeout(600)
def test_nothing_is_lost_and_nothing_is_wrong(guarded: RunningStack, reference: Reference) -> None:
    faults = {fault.name: fault for fault in all_faults(small_disk=False, gpus=0)}
    guarded.wait(200)
    with Load(guarded.ports, guarded.headers, reference, ROW_TOLERANCE, clients=1) as load:
        outcomes = [inject(guarded, load, faults[name]) for name in SHORT]
    assert problems(outcomes) == []
    assert all(load.tally.counts[backend, "right"] > 20 for backend in guarded.ports)
