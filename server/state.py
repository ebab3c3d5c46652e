"""Every file under `BAKEOFF_HOME/state`: what it holds, who writes it, who reads it. One table, and no other path to them.

Programs tell each other by these files what has to outlive one of them. Standard library only, as the health check's.
"""

from pathlib import Path
from typing import NamedTuple

FOLDER = "state"


class StateFile(NamedTuple):
    """A file, or a folder of them.

    Attributes:
        name: within the folder; `*` stands for a program's name.
        writer: the only one that writes it: a module, a package with all of its modules, or a script.
        readers: likewise.
        of_one_start: whether the next start of the stack removes it; what stays is believed by its age, or by whether its
            process lives.
    """

    name: str
    writer: str
    readers: tuple[str, ...]
    of_one_start: bool = False

    def at(self, home: Path, program: str = "*") -> Path:
        """Return its path under `BAKEOFF_HOME`."""
        return home / FOLDER / self.name.replace("*", program)


READINESS = StateFile(
    "ready.json",
    "server.gate",
    ("server.processes.fatal", "server.gateway", "server.console", "bakeoff"),
    of_one_start=True,
)
"""The readiness document."""

HISTORY = StateFile("live.json", "server.gate", ("server.console", "bakeoff"))
"""The last minutes' figures."""

SERVED_PLAN = StateFile("engine", "server.gate", ("server.triton", "server.console"), of_one_start=True)
"""The key of the plan that TensorRT serves; the gate of every start decides anew which fits."""

LAUNCH_PID = StateFile("launch.pid", "entrypoint.sh", ("bakeoff.stack",))
"""The process that checks, exports and then becomes supervisord. `bakeoff up` writes the same number a moment earlier."""

SUPERVISORD_PID = StateFile("supervisord.pid", "server.processes.supervisor", ("bakeoff.stack",))

STACK_LOCK = StateFile("stack.lock", "server.processes.supervisor", ("server.processes.supervisor",))
"""Held by the stack that runs."""

GIVEN_UP = StateFile("fatal", "server.processes.fatal", ("server.processes.supervisor",), of_one_start=True)
"""The program that was given up, which decides the exit status."""

LAST_LINES = StateFile("*.last", "prefixed.sh", ("server.processes.fatal",))
"""What a program printed last before it ended."""

PAUSE = StateFile(
    "*.pause",
    "server.processes.fatal",
    ("server.pytorch", "server.gateway", "server.triton", "server.console"),
    of_one_start=True,
)
"""How many seconds a program has to wait before it starts."""

BENCHMARK = StateFile("benchmark.json", "server.console", ("server.console",))
"""How the benchmark at the push of a button stands."""

BENCHMARK_OUTPUT = StateFile("benchmark.log", "server.console", ("server.console",))
BENCHMARK_LOCK = StateFile("benchmark.lock", "server.console", ("server.console",))

METRICS = StateFile("*.metrics", "server.http", ("server.http",))
"""Counters of the processes of a program on 8002; its start empties the folder."""

SOCKETS = StateFile("*.sock", "server.sockets", ("server.sockets",), of_one_start=True)
"""By which programs reach each other; they lie elsewhere where the path of this folder is too long for one."""

KEPT = StateFile("kept.json", "server.kept", ("server.kept",))
"""Which backends are kept, by whom, since when and because of which result; the next start goes by it."""

KEPT_LOCK = StateFile("kept.lock", "server.keep", ("server.keep",))
"""Held while a choice is checked and written."""

FILES = (
    READINESS, KEPT, KEPT_LOCK, HISTORY, SERVED_PLAN, LAUNCH_PID, SUPERVISORD_PID, STACK_LOCK, GIVEN_UP, LAST_LINES, PAUSE, BENCHMARK,
    BENCHMARK_OUTPUT, BENCHMARK_LOCK, METRICS, SOCKETS,
)  # fmt: skip


def clear(home: Path) -> None:
    """Remove what an earlier start of the stack has left and the next must not believe."""
    for file in FILES:
        if file.of_one_start:
            for left in (home / FOLDER).glob(file.name):
                left.unlink()
