"""An error within the rounds ends them, and what is complete stays."""

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from bench import measurement
from bench.addresses import Addresses
from bench.errors import BenchError
from bench.measurement import Measurement
from bench.options import BenchOptions
from bench.photos import Photo, PhotoSet
from bench.progress import RunProgress
from bench.scenarios import Scenario
from bench.targets import Stack, Target
from bench.windows import Window
from tests.unit.bench.conftest import window

PIXELS = Scenario(kind="single", input="pixels")
PHOTOS = PhotoSet((Photo("a.jpg", b"", np.zeros((3, 224, 224), np.uint8)),), 1)


class WindowsDouble:
    """Measures nothing: every window is the same, until one of a round raises."""

    def __init__(self, raises: BaseException, in_round: int) -> None:
        self.controls = {"onnx": SimpleNamespace(embed=lambda *_: np.zeros((1, 512), np.float32))}
        self.raises, self.in_round = raises, in_round

    def measure(self, scenario: Scenario, backend: str, number: int, *_: Any) -> Window:
        if number == self.in_round:
            raise self.raises
        return window(number, scenario, backend, 5.0)


def run(monkeypatch: pytest.MonkeyPatch, raises: BaseException, in_round: int) -> tuple[Measurement, list[int], str]:
    """Measure; return the measurement, the complete rounds at each checkpoint, and what was printed."""
    monkeypatch.setattr(measurement, "measure_null", lambda *_: [])
    options = BenchOptions(Addresses("http://127.0.0.1:1"), Path(), Path(), kinds=("single",), goal="latency")
    stack = Stack(model={}, targets=(Target(name="onnx", state="ready", url="http://127.0.0.1:1"),))
    windows: Any = WindowsDouble(raises, in_round)
    made = Measurement(options, stack, windows, PHOTOS, {PIXELS: ["onnx"]}, 0.0)
    kept: list[int] = []
    out = io.StringIO()
    with RunProgress(Console(file=out, width=200), options.budget_s) as progress:
        made.measure(progress, lambda: kept.append(made.complete_rounds))
    return made, kept, out.getvalue()


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (BenchError("a client process has ended"), "a client process has ended"),
        (ZeroDivisionError("division by zero"), "ZeroDivisionError: division by zero"),
        (OSError(28, "No space left on device"), "OSError: [Errno 28] No space left on device"),
    ],
)
def test_an_error_ends_the_rounds_and_keeps_the_complete_ones(
    monkeypatch: pytest.MonkeyPatch, error: Exception, says: str
) -> None:
    made, kept, printed = run(monkeypatch, error, in_round=3)
    assert (made.complete_rounds, made.interrupted, made.error) == (2, True, error)
    assert kept == [1, 2]
    assert {each.round for each in made.complete_windows()} == {1, 2}
    assert f"interrupted by {says}: 2 of 5 rounds are complete and kept" in printed


def test_ctrl_c_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    made, _, printed = run(monkeypatch, KeyboardInterrupt(), in_round=2)
    assert (made.complete_rounds, made.interrupted, made.error) == (1, True, None)
    assert "interrupted: 1 of 5 rounds are complete and kept" in printed


def test_an_error_before_a_round_is_complete_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BenchError, match="gone"):
        run(monkeypatch, BenchError("gone"), in_round=1)
