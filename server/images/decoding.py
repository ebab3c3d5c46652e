"""Decoding in processes of their own: an image that costs too much ends one process, and no request but its own."""

import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from server.images.errors import ImageError
from server.images.prepare import SIDE, prepare
from server.isolation import Costly, Pool, Refusal

_SHAPE = (3, SIDE, SIDE)
_TIMES = 2 * 8
"""Bytes of two numbers behind the pixels."""


@dataclass(frozen=True)
class Decoded:
    """Pixels UINT8 `[3, 224, 224]`, and when a process had the file in hand, in ns of the monotonic clock."""

    pixels: npt.NDArray[np.uint8]
    start_ns: int
    end_ns: int


class Decoders:
    """Prepares as many files at once as there are processes; more wait."""

    def __init__(
        self, count: int, *, max_pixels: int, upright: bool, cpu_s: float, wall_s: float, python: str = sys.executable
    ) -> None:
        """Prepare; a process starts when it is first needed.

        Args:
            count: of processes.
            max_pixels, upright: see `prepare`.
            cpu_s: seconds of processor time that one file may take.
            wall_s: seconds that one file may take altogether.
            python: the interpreter that runs them.
        """
        self._pool = Pool(
            __name__, count, cpu_s=cpu_s, wall_s=wall_s, python=python, max_pixels=max_pixels, upright=upright
        )

    @property
    def pids(self) -> list[int]:
        """The processes that have been started."""
        return self._pool.pids

    def start(self) -> None:
        """Start all processes now, without waiting for them."""
        self._pool.start()

    def submit(self, file: bytes | memoryview) -> Future[memoryview]:
        """Have a file prepared; `decoded` reads the result, within `image_errors`."""
        return self._pool.submit("prepare", file)

    def close(self) -> None:
        """End the processes."""
        self._pool.close()


@contextmanager
def image_errors() -> Iterator[None]:
    """Have what is wrong with a file raised as an `ImageError`."""
    try:
        yield
    except Refusal as error:
        raise ImageError(str(error)) from None
    except Costly as error:
        raise ImageError(f"{error} to decode") from None


def decoded(result: memoryview) -> Decoded:
    """Return what a process made of a file."""
    start_ns, end_ns = np.frombuffer(result[-_TIMES:], np.int64).tolist()
    return Decoded(np.frombuffer(result[:-_TIMES], np.uint8).reshape(_SHAPE), start_ns, end_ns)


def run(_: str, data: memoryview, *, max_pixels: int, upright: bool) -> bytes:
    """Prepare a file, in a process of its own."""
    start_ns = time.monotonic_ns()
    try:
        pixels = prepare(data, max_pixels=max_pixels, upright=upright)
    except ImageError as error:
        raise Refusal(str(error)) from None
    return pixels.tobytes() + np.array([start_ns, time.monotonic_ns()], np.int64).tobytes()
