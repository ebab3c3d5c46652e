"""How `STOP_TIMEOUT` is divided, from SIGTERM to the end of the last process.

| gate_wait_s                    | program_wait_s     | KILL_S |   supervisord: first the gate, then the programs
|  drain_s              | join_s |  triton_exit_s     |            the gate drains what serves; then Tritons end
|  answer_s    |                      |                          8002, which the gate tells to end at once: requests,
|  processes_s                        |                          and all of its processes
"""

from dataclasses import dataclass

SHORTEST_S = 3
"""The least that can be divided: supervisord waits whole seconds, for the gate and for the programs, and then kills."""

KILL_S = 1
"""What supervisord keeps for itself, after it has killed what did not stop."""

PROGRAMS_SHARE = 0.45
"""Of the whole, for the programs to end and for supervisord."""


@dataclass(frozen=True)
class StopPlan:
    """Seconds.

    Attributes:
        gate_wait_s: after which supervisord kills the gate, and has the programs end.
        drain_s: in which the gate has every backend finish what it has accepted.
        join_s: in which the gate's own threads end after that.
        program_wait_s: after which supervisord kills a program.
        console_answer_s: in which requests to the console may finish; whoever passes them on has been drained before.
        triton_exit_s: in which a Triton waits for open connections; it has been drained before, and unloading takes the rest.
        answer_s: in which requests on 8002 may finish.
        processes_s: after which a process of 8002 that still runs is killed.
    """

    gate_wait_s: int
    drain_s: float
    join_s: float
    program_wait_s: int
    console_answer_s: int
    triton_exit_s: int
    answer_s: int
    processes_s: float


def stop_plan(stop_timeout: float) -> StopPlan:
    """Divide the seconds of `STOP_TIMEOUT`, at least `SHORTEST_S`."""
    programs = max(1, int(stop_timeout * PROGRAMS_SHARE) - KILL_S)
    gate = int(stop_timeout) - KILL_S - programs
    return StopPlan(
        gate_wait_s=gate,
        drain_s=gate * 0.9,
        join_s=gate * 0.05,
        program_wait_s=programs,
        console_answer_s=max(1, programs // 2),
        triton_exit_s=max(1, int(stop_timeout * 0.15)),
        answer_s=max(1, int(stop_timeout * 0.6)),
        processes_s=(gate + programs) * 0.9,
    )
