"""The parts of a stop fit into STOP_TIMEOUT, whatever it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.settings import Settings
from server.stop import KILL_S, SHORTEST_S, StopPlan, stop_plan


@given(st.integers(SHORTEST_S, 600) | st.floats(SHORTEST_S, 600))
def test_the_parts_fit(stop_timeout: float) -> None:
    plan = stop_plan(stop_timeout)
    assert plan.gate_wait_s + plan.program_wait_s + KILL_S <= stop_timeout
    assert min(plan.gate_wait_s, plan.program_wait_s) >= 1
    assert plan.drain_s + plan.join_s < plan.gate_wait_s
    assert plan.console_answer_s <= plan.program_wait_s
    assert plan.triton_exit_s <= plan.program_wait_s
    assert plan.answer_s < plan.processes_s < plan.gate_wait_s + plan.program_wait_s


def test_the_default_is_divided_as_it_was_measured() -> None:
    assert stop_plan(Settings().stop_timeout) == StopPlan(5, 4.5, 0.25, 3, 1, 1, 5, pytest.approx(7.2))


def test_what_cannot_be_divided_is_refused() -> None:
    with pytest.raises(ValueError, match="greater than or equal to 3"):
        Settings(stop_timeout=SHORTEST_S - 0.5)
