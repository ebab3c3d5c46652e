"""The real parent of port 8002's processes, with as many engines as are asked for, on whatever machine, and doubles of its processes."""

import argparse
import asyncio
import sys
from dataclasses import replace

from server import logs
from server.hardware import Gpu, resolve
from server.http import member
from server.http.family import Family
from server.settings import load_settings

GPU = Gpu(0, "GPU-double", "double", (9, 0), 1, 1, "1")


def main() -> None:
    """Run it; the exit status is its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engines", type=int, default=1)
    parser.add_argument("--worker", default="server.pytorch.worker")
    parser.add_argument("--engine", default="tests.doubles.engine")
    parser.add_argument("--useful-after", type=float, default=0.0)
    words = parser.parse_args()
    member.USEFUL_AFTER_S = words.useful_after
    settings = load_settings()
    logs.configure("info")
    hardware = replace(resolve(settings), device="cuda", gpus=(GPU,) * words.engines)
    sys.exit(asyncio.run(Family(settings, hardware, "pytorch", worker=words.worker, engine=words.engine).run()))


if __name__ == "__main__":
    main()
