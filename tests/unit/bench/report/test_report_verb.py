"""`bakeoff report`."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from bakeoff.cli import app
from bench.result import FILE, Result

PAGES = ["report.html", "report.md", "report.png", "result.json"]


@pytest.fixture
def results(tmp_path: Path, gpu_result: Result, cpu_result: Result) -> Path:
    for name, result in (("2026-01-01T00-00-00Z", gpu_result), ("2026-01-02T00-00-00Z", cpu_result)):
        (tmp_path / name).mkdir()
        (tmp_path / name / FILE).write_text(result.model_dump_json(), encoding="utf-8")
    return tmp_path


def run(*arguments: object) -> tuple[int, str]:
    outcome = CliRunner(env={"COLUMNS": "400"}).invoke(app, ["report", *map(str, arguments)])
    return outcome.exit_code, outcome.output


def test_the_newest_run_is_shown_and_drawn(results: Path) -> None:
    code, text = run("--results", results)
    assert code == 0
    assert "CLIP bake-off: pytorch wins on latency" in text
    assert "2026-01-02T00-00-00Z/report.html" in text
    assert sorted(path.name for path in (results / "2026-01-02T00-00-00Z").iterdir()) == PAGES


def test_two_runs_are_compared_and_it_says_where(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = sorted(path for path in results.iterdir())
    code, text = run(first, second)
    assert code == 0
    assert "2 runs side by side" in text
    made = results / f"comparison-{first.name}-and-{second.name}"
    assert str(made / "report.html") in text
    assert sorted(path.name for path in made.iterdir()) == ["report.html", "report.md"]


def test_a_comparison_is_not_taken_for_the_newest_run(results: Path) -> None:
    run(*sorted(results.iterdir()))
    assert "pytorch wins on latency" in run("--results", results)[1]


def test_their_table_is_drawn_when_asked_for(results: Path) -> None:
    folder = results / "2026-01-01T00-00-00Z"
    assert run(folder, "--with-reference")[0] == 0
    assert "theirs: onnx, A100" in (folder / "report.html").read_text(encoding="utf-8")


def test_the_picture_is_written_where_asked(results: Path, tmp_path: Path) -> None:
    assert run("--results", results, "--png", tmp_path / "mine.png")[0] == 0
    assert (tmp_path / "mine.png").read_bytes()[:4] == b"\x89PNG"


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


def test_a_folder_that_cannot_be_written_is_said(results: Path) -> None:
    (results / "file").write_text("")
    code, text = run(*sorted(path for path in results.iterdir() if path.is_dir()), "--output", results / "file" / "x")
    assert code == 1
    assert "give another with --output" in text
