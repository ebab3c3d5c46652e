"""`bakeoff report`."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from bakeoff.cli import app
from bakeoff.report import _newest
from bench.result import FILE
from tests.unit.bench.report.synthetic import synthetic_result

PAGES = ["report.html", "report.md", "report.png", "result.json"]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    for name, pytorch_ms in (("2026-01-01T00-00-00Z", 40.0), ("2026-01-02T00-00-00Z", 20.0)):
        result = synthetic_result({"pytorch": pytorch_ms, "onnx": 30.0}, gpu=False, batches=(2,))
        (folder / name).mkdir()
        (folder / name / FILE).write_text(result.model_dump_json(), encoding="utf-8")
    return folder


def run(*arguments: object) -> tuple[int, str]:
    outcome = CliRunner(env={"COLUMNS": "400"}).invoke(app, ["report", *map(str, arguments)])
    return outcome.exit_code, outcome.output


def runs(results: Path) -> list[Path]:
    return sorted(path for path in results.iterdir() if path.name.startswith("2026"))


def test_the_newest_run_is_shown_and_drawn_and_its_picture_put_where_asked(results: Path, tmp_path: Path) -> None:
    code, text = run("--results", results, "--png", tmp_path / "mine.png")
    assert code == 0
    assert "CLIP bake-off: pytorch wins on latency" in text
    assert "2026-01-02T00-00-00Z/report.html" in text
    assert sorted(path.name for path in runs(results)[1].iterdir()) == PAGES
    assert (tmp_path / "mine.png").read_bytes()[:4] == b"\x89PNG"


def test_two_runs_are_compared_and_that_is_no_newer_run(results: Path) -> None:
    first, second = runs(results)
    code, text = run(first, second)
    assert code == 0
    assert "2 runs side by side" in text
    made = results / f"comparison-{first.name}-and-{second.name}"
    assert str(made / "report.html") in text
    assert sorted(path.name for path in made.iterdir()) == ["report.html", "report.md"]
    assert _newest(results) == second


def test_their_table_is_drawn_when_asked_for(results: Path) -> None:
    folder = runs(results)[0]
    assert run(folder, "--with-reference")[0] == 0
    assert "theirs: onnx, A100" in (folder / "report.html").read_text(encoding="utf-8")


def test_no_run_and_no_result_are_said_with_what_to_do(tmp_path: Path) -> None:
    assert run("--results", tmp_path) == (1, f"no run in {tmp_path}; run `bakeoff bench` first\n")
    code, text = run(tmp_path / "none")
    assert code == 1
    assert "give the folder of a run" in text


def test_a_result_of_another_version_is_said(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('{"schema_version": 1}', encoding="utf-8")
    code, text = run(tmp_path)
    assert code == 1
    assert "schema version 1; this program reads 2" in text


def test_a_folder_that_cannot_be_written_is_said(results: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, text = run(*runs(results), "--output", tmp_path / "file" / "x")
    assert code == 1
    assert "give another with --output" in text
