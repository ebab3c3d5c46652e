"""The command line, and what ends a build early."""

import argparse
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .build import Build
from .errors import CANCELLED_STATUS, OUT_OF_MEMORY_STATUS, BuildError, Cancelled, OutOfMemory
from .libraries import describe
from .output import log, say

CANCEL_GRACE_S = 1.0
"""How long TensorRT may take to notice a cancellation; without a progress monitor it never does."""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Build a TensorRT engine from an ONNX file.")
    parser.add_argument("onnx", type=Path, nargs="?", help="the ONNX file; one input with a dynamic batch")
    parser.add_argument("--output", type=Path, help="the engine; beside the ONNX file when left out")
    parser.add_argument("--max-batch", type=int, default=128, help="largest batch (128)")
    parser.add_argument(
        "--precision", choices=("fp16", "tf32", "fp32"), default="fp16", help="what TensorRT 8.6 computes in"
    )
    parser.add_argument("--level", type=int, default=3, choices=range(6), help="builder optimization level (3)")
    parser.add_argument("--timing-cache", type=Path, help="file of kernel timings to use and renew")
    parser.add_argument("--workspace-share", type=float, default=0.5, help="part of the free GPU memory to use (0.5)")
    parser.add_argument("--with-parent", action="store_true", help="end when standard input is closed")
    parser.add_argument("--describe", action="store_true", help="print TensorRT's version and the GPU instead")
    options = parser.parse_args()
    if options.onnx is None and not options.describe:
        parser.error("the path of an ONNX file is needed")
    if options.onnx and not options.onnx.is_file():
        parser.error(f"{options.onnx}: there is no such file")
    options.output = options.output or (options.onnx and options.onnx.with_suffix(".plan"))
    return options


def _end_with_parent(cancel: Callable[[], None]) -> None:
    while sys.stdin.buffer.read(1):
        pass
    cancel()


def _cancel_on_signals(build: Build, with_parent: bool) -> None:
    """End the build at SIGTERM, Ctrl-C or the parent's death: gently where TensorRT listens, else by leaving."""

    def cancel(*_: object) -> None:
        build.cancel()
        leaving = threading.Timer(CANCEL_GRACE_S, os._exit, (CANCELLED_STATUS,))
        leaving.daemon = True
        leaving.start()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, cancel)
    if with_parent:
        threading.Thread(target=_end_with_parent, args=(cancel,), daemon=True).start()


def _in_thread(work: Callable[[], Any]) -> Any:
    """Run `work` in another thread: TensorRT builds for minutes, and only an idle main thread hears signals."""
    outcome: dict[str, Any] = {}

    def run() -> None:
        try:
            outcome["value"] = work()
        except BaseException as error:  # raised again below
            outcome["error"] = error

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(0.1)
    if "error" in outcome:
        raise outcome["error"]
    return outcome["value"]


def main() -> int:
    """Build, or describe, and return the exit status."""
    options = _arguments()
    try:
        if options.describe:
            say(**describe())
            return 0
        build = Build(options, lambda progress, phase: say(progress=round(progress, 4), phase=phase))
        _cancel_on_signals(build, options.with_parent)
        engine = _in_thread(build.run)
    except Cancelled:
        return CANCELLED_STATUS
    except OutOfMemory as error:
        log(f"failed: {error}")
        return OUT_OF_MEMORY_STATUS
    except (BuildError, OSError) as error:
        log(f"failed: {error}")
        return 1
    say(progress=1.0, phase="built")
    say(engine=engine)
    return 0
