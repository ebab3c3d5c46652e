"""`python server/tensorrt/builder ...`: the folder is started by its path, and is then a package of its own, below no other."""

import os
import sys
from importlib import import_module
from pathlib import Path

if __name__ == "__main__":
    folder = Path(__file__).resolve().parent
    sys.path[0] = str(folder.parent)
    status = import_module(f"{folder.name}.program").main()
    sys.stdout.flush()
    os._exit(status)  # TensorRT's own threads and destructors have nothing left to do, and may take seconds
