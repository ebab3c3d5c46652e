"""`python -m tests.chaos.run`: minutes of faults under load, and a report that counts what became of every request."""

import argparse
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path

from server.hardware import resolve
from server.model.reference import Reference
from server.settings import Settings
from tests.chaos import cuda
from tests.chaos.checker import Load
from tests.chaos.faults import Fault, all_faults
from tests.chaos.files import has_its_own_disk
from tests.chaos.outcome import Outcome, late, problems, summary, table
from tests.chaos.processes import left_behind
from tests.stack.stack import ROW_TOLERANCE, RunningStack, start

SHIFT = 11_000
RECOVERY_TIMEOUT_S = 180.0
LOOK_S = 3.0
"""How long `/ready` is looked at, at least, where it may stay 200; then what lasts is undone."""

LOOK_EVERY_S = 0.05

SMALL_DISK = 2.2
"""Times the model: it holds what is made again, too, and files that are gone but still open."""

SMALL = {"MAX_BATCH_SIZE": "8", "WARMUP_MAX_BATCH": "2"}
"""For more faults in the same time: warming is most of a recovery on a CPU."""

SETTINGS = {
    "BACKENDS": "pytorch,onnx",
    "CANARY_INTERVAL_S": "1",
    "HANG_TIMEOUT_S": "10",
    "MAX_CONNECTIONS": "300",
    "HTTP_WORKERS": "2",  # these two as on a GPU: the death or hang of one does not stop the others
    "DECODE_WORKERS": "4",
    **SMALL,
}


def inject(stack: RunningStack, load: Load, fault: Fault) -> Outcome:
    """Inject one fault, and wait until everything is as before."""
    before, began = load.tally.snapshot(), time.monotonic()
    undo = fault.inject(stack)
    injected = time.monotonic()
    if fault.unready_within_s or undo:
        noticed = _first(lambda: stack.ready()[0] != 200, fault.unready_within_s or LOOK_S, injected)
        if undo:
            undo()
        repaired = time.monotonic()
        recovered = _first(
            lambda: stack.ready()[0] == 200 and load.all_answered_since(repaired), RECOVERY_TIMEOUT_S, began
        )
    else:
        noticed, recovered = _look(stack, load, injected)
        repaired = injected
    waiting = sum(1 for client in load.clients if (since := client.unanswered_since) and since < repaired)
    return Outcome(
        fault=fault,
        noticed_s=noticed,
        recovered_s=recovered,
        counts=load.tally.snapshot() - before,
        lost=waiting if recovered is None else 0,
    )


def _look(stack: RunningStack, load: Load, injected: float) -> tuple[float | None, float | None]:
    """Return after how long `/ready` was false, if ever, and after how long everything was as before to stay so."""
    noticed: float | None = None
    recovered: float | None = None
    while (now := round(time.monotonic() - injected, 1)) < RECOVERY_TIMEOUT_S and (recovered is None or now < LOOK_S):
        if stack.ready()[0] != 200:
            noticed, recovered = now if noticed is None else noticed, None
        elif recovered is None and load.all_answered_since(injected):
            recovered = now
        time.sleep(LOOK_EVERY_S)
    return noticed, recovered


def _first(condition: Callable[[], bool], timeout_s: float, began: float) -> float | None:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if condition():
            return round(time.monotonic() - began, 1)
        time.sleep(LOOK_EVERY_S)
    return None


@contextlib.contextmanager
def small_disk(model: Path) -> Iterator[Path]:
    """Yield a copy of a BAKEOFF_HOME in a file system of its own where that can be made, else in an ordinary folder."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        home.mkdir()
        size = round(SMALL_DISK * sum(file.stat().st_size for file in model.rglob("*")))
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(home)]
        mounted = os.getuid() == 0 and subprocess.run(mount, check=False).returncode == 0
        try:
            shutil.copytree(model, home, dirs_exist_ok=True)
            yield home
        finally:
            if mounted:
                subprocess.run(["umount", "--lazy", str(home)], check=True)


@contextlib.contextmanager
def exported() -> Iterator[Path]:
    """Yield a BAKEOFF_HOME with a fresh export, which takes more room than the small disk has."""
    with tempfile.TemporaryDirectory() as folder:
        export = [sys.executable, "-m", "bakeoff", "export"]
        subprocess.run(export, env={**os.environ, "BAKEOFF_HOME": folder, "PRETRAINED": "random"}, check=True)
        yield Path(folder)


def main() -> None:
    """Run, print the report, and exit 1 when it misses the bar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="at least so long, and at least every fault once")
    parser.add_argument("--model", type=Path, help="BAKEOFF_HOME with an exported model to copy, instead of an export")
    parser.add_argument("--only", default="", help="faults whose name has this pattern")
    parser.add_argument("--json", type=Path, help="where the outcomes go as JSON")
    arguments = parser.parse_args()
    hardware = resolve(Settings())
    gpus = len(hardware.gpus) if hardware.device == "cuda" else 0
    with (
        contextlib.nullcontext(arguments.model) if arguments.model else exported() as model,
        small_disk(model) as home,
    ):
        small = has_its_own_disk(home)
        if not small:
            print("not run: disk full, which needs root and a tmpfs", file=sys.stderr)
        faults = [one for one in all_faults(small_disk=small, gpus=gpus) if re.search(arguments.only, one.name)]
        stack = start(home, SHIFT, **SETTINGS, **(cuda.inside(home.parent) if gpus else {}))
        try:
            stack.wait(200)
            outcomes = _rounds(stack, faults, arguments.minutes * 60)
        finally:
            stack.stop()
            left = left_behind(home)
            shutil.copy(stack.log, Path(tempfile.gettempdir()) / "bakeoff-chaos.log")
    print("\n".join([*table(outcomes), "", *summary(outcomes)]))
    if arguments.json:
        arguments.json.write_text(json.dumps([one.as_dict() for one in outcomes], indent=1), encoding="utf-8")
    if found := problems(outcomes) + late(outcomes) + [f"left behind: {command}" for command in left]:
        sys.exit("\n".join(found))


def _rounds(stack: RunningStack, faults: list[Fault], seconds: float) -> list[Outcome]:
    reference = Reference.load(stack.home / "weights" / "reference.npz")
    outcomes: list[Outcome] = []
    end = time.monotonic() + seconds
    with Load(stack.ports, {}, reference, ROW_TOLERANCE) as load:
        for fault in cycle(faults):
            if len(outcomes) >= len(faults) and time.monotonic() > end:
                break
            outcomes.append(inject(stack, load, fault))
            print(list(table(outcomes[-1:]))[-1], file=sys.stderr, flush=True)
            if outcomes[-1].recovered_s is None:  # counted; the next fault needs a stack all the same
                stack.stop()
                stack.launch()
                stack.wait(200)
        print("\n".join(sorted(load.tally.examples)), file=sys.stderr)
    return outcomes


if __name__ == "__main__":
    main()
