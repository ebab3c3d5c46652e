"""A report ends with the command that carries its decision out."""

from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bench.outcome import show
from bench.report.contents import contents
from bench.report.keeping import commands, words
from bench.report.markdown import render
from bench.result import Result
from tests.unit.bench.report.synthetic import synthetic_result

RESULT = synthetic_result({"pytorch": 20.0, "onnx": 30.0}, batches=(2,)).model_copy(update={"local": True})


def result(winner: str | None, **changes: Any) -> Result:
    return RESULT.model_copy(update={"summary": RESULT.summary.model_copy(update={"winner": winner}), **changes})


def last_line(made: Result) -> str:
    return render(contents(made)).splitlines()[-1]


def test_the_winner_is_the_last_line() -> None:
    made = result("onnx")
    assert last_line(made) == "`bakeoff keep winner`"
    assert words(made) == "to leave onnx running and end the others, at every later start too"


def test_where_nothing_is_decided_a_name_is_asked_for() -> None:
    assert last_line(result(None)) == "`bakeoff keep pytorch` or `bakeoff keep onnx`"
    assert words(result(None)).startswith("nothing here decides it; ")


def test_an_interrupted_run_decides_nothing() -> None:
    assert last_line(result("onnx", interrupted=True)) == last_line(result(None))


def test_one_alone_is_named() -> None:
    alone = synthetic_result({"onnx": 20.0}, batches=(2,))
    assert commands(alone)[0].startswith("bakeoff keep onnx")
    assert words(alone) == "to leave onnx running, at every later start too"


def test_a_stack_elsewhere_is_named(tmp_path: Path) -> None:
    made = result("onnx", local=False)
    folder = tmp_path / "with a space"
    assert commands(made, folder) == [f"bakeoff keep winner --result '{folder}' --url {made.settings.ready_url}"]


@pytest.mark.parametrize(("winner", "command"), [("onnx", "bakeoff keep winner --result {}"), (None, "bakeoff keep pytorch or bakeoff keep onnx")])  # fmt: skip
def test_the_console_ends_with_it_too(tmp_path: Path, winner: str | None, command: str) -> None:
    console = Console(width=400, record=True)
    show(result(winner), tmp_path, console)
    assert console.export_text().splitlines()[-1].endswith(f": {command.format(tmp_path)}")
