"""Faults of a GPU, which only its own process can have."""

import signal
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_name("lose_context.c")

LOSE_CONTEXT = signal.SIGUSR2
"""What a process answers by losing its CUDA context, once it has the library inside."""


def inside(folder: Path) -> dict[str, str]:
    """Return the environment by which every process that uses CUDA has the library of these faults inside.

    Args:
        folder: where it is compiled to; needs `cc`.
    """
    library = folder / "lose_context.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-lpthread", "-ldl"], check=True)
    return {"CUDA_INJECTION64_PATH": str(library)}
