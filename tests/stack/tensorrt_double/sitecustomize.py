"""Imported at the start of every Python process under test, when this folder is on PYTHONPATH.

It lets the two programs that care believe that TensorRT can run here, and puts the test double in its place. Everything
else is the product: the builder (with TensorRT-RTX, which builds without a GPU), the cache, the gate and tritonserver.
"""

import sys
from pathlib import Path

if sys.orig_argv[1:3] in (["-m", "server.gate"], ["-m", "server.triton"]):
    from server.tensorrt import runtime
    from server.triton import installation

    runtime.unavailable_reason = lambda _hardware: None
    installation.PYTHON_BACKENDS = Path(__file__).parent / "backends"
