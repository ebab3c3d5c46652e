"""`python -m tests.chaos.ordinary`: many clients of one JPEG each on 8002, as on an ordinary day; nobody may be refused.

They come after a pause, meet a stall of the engine, and come back after a change of precision, with one HTTP worker and with two.
"""

import argparse
import asyncio
import sys
import tempfile
from collections import Counter
from pathlib import Path

from server.hardware import cpu_computes_bf16
from server.model.reference import Reference
from tests.chaos.load import Backend, closed
from tests.stack.stack import PRECISION, RunningStack, command_line, start

SHIFT = 13_000
CLIENTS = 64
PAUSE_S = 3.0
STALL_S = 2.0
NOT_ANSWERED = {"refused", "unclear", "broken"}
"""What an embedding in another precision is compared with here is that of the usual one, so it may be called wrong."""
OTHER_PRECISION = {"fp16": "tf32", "fp32": "bf16" if cpu_computes_bf16() else None}[PRECISION]


async def after_a_pause(backend: Backend, seconds: float) -> Counter[str]:
    """Let one client be answered, then nobody come for a while, then all."""
    await closed(backend, 1, 0)
    await asyncio.sleep(PAUSE_S)
    return (await closed(backend, CLIENTS, seconds)).counts


async def with_a_stall(stack: RunningStack, backend: Backend, seconds: float) -> Counter[str]:
    """Hold the engine as soon as all clients wait for it."""
    engine = next(process for process in stack.processes() if "server.pytorch.engine" in command_line(process))

    async def stall() -> None:
        await asyncio.sleep(1)
        engine.suspend()
        await asyncio.sleep(STALL_S)
        engine.resume()

    stalled = asyncio.create_task(stall())
    seen = await closed(backend, CLIENTS, seconds)
    await stalled
    return seen.counts


async def main(seconds: float, home: Path) -> bool:
    """Run all, print what became of the requests, and tell whether every one was answered."""
    clean = True
    stack = start(home, SHIFT, BACKENDS="pytorch", PRECISION=PRECISION, HTTP_WORKERS="1")
    try:
        for workers in (1, 2):
            for precision in filter(None, (PRECISION, OTHER_PRECISION)):
                stack.environment |= {"HTTP_WORKERS": str(workers), "PRECISION": precision}
                stack.restart()
                stack.wait(200)
                backend = Backend(stack, "pytorch", Reference.load(home / "weights" / "reference.npz"), pixels=False)
                for name, counts in (
                    ("after a pause", await after_a_pause(backend, seconds)),
                    ("with a stall", await with_a_stall(stack, backend, seconds)),
                ):
                    print(f"{workers} workers, {precision}, {CLIENTS} clients {name}: {dict(counts)}", flush=True)
                    clean &= not NOT_ANSWERED & set(counts)
    finally:
        stack.stop()
    return clean


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="of each run")
    with tempfile.TemporaryDirectory() as folder:
        if not asyncio.run(main(parser.parse_args().seconds, Path(folder) / "home")):
            sys.exit("some requests were not answered")
