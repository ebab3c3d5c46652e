from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.options import BenchOptions
from bench.result import load_result
from bench.run import write
from tests.unit.bench.conftest import MakeResult


def test_a_run_s_folder_is_named_by_its_start_and_complete(tmp_path: Path, make_result: MakeResult) -> None:
    result = make_result({"pytorch": 80, "onnx": 40})
    folder = write(result, tmp_path / "results")
    assert folder == tmp_path / "results" / "2026-01-02T03-04-05Z"
    assert sorted(path.name for path in folder.iterdir()) == ["report.md", "result.json"]
    assert load_result(folder) == result
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]  # nothing temporary is left


def test_two_runs_in_one_second_have_two_folders(tmp_path: Path, make_result: MakeResult) -> None:
    result = make_result({"onnx": 40})
    assert [write(result, tmp_path).name for _ in range(2)] == ["2026-01-02T03-04-05Z", "2026-01-02T03-04-05Z-2"]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, make_result: MakeResult) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BenchError, match="cannot be written to"):
        write(make_result({"onnx": 40}), tmp_path / "file")


def test_no_result_or_another_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="cannot be read"):
        load_result(tmp_path)
    (tmp_path / "result.json").write_text('{"schema_version": 2}')
    with pytest.raises(BenchError, match="not a result of schema version 1"):
        load_result(tmp_path)


@pytest.mark.parametrize("bad", [{"rounds": 4}, {"window_s": 0}, {"quick_budget_s": -1}, {"timeout_s": float("nan")}])
def test_options_that_cannot_give_a_result_are_refused(tmp_path: Path, bad: dict[str, float]) -> None:
    with pytest.raises(BenchError, match=next(iter(bad))):
        BenchOptions("http://127.0.0.1:8002", tmp_path, tmp_path, **bad)  # type: ignore[arg-type]
