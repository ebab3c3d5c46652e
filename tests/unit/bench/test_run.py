from pathlib import Path

import pytest

from bench.addresses import Addresses
from bench.document import command_line
from bench.errors import BenchError
from bench.folder import RunFolder
from bench.options import BenchOptions
from bench.result import load_result
from tests.unit.bench.conftest import MakeResult


def test_a_run_s_folder_is_named_by_its_start_and_complete(tmp_path: Path, make_result: MakeResult) -> None:
    result = make_result({"pytorch": 80, "onnx": 40})
    folder = RunFolder(tmp_path / "results", result.started)
    folder.keep(result)
    assert folder.path == tmp_path / "results" / "2026-01-02T03-04-05Z"
    folder.report(result)
    written = ["report.html", "report.md", "report.png", "result.json"]
    assert sorted(path.name for path in folder.path.iterdir()) == written
    assert load_result(folder.path) == result
    assert [path.name for path in folder.path.parent.iterdir()] == [folder.path.name]  # nothing temporary is left


def test_later_rounds_replace_what_earlier_ones_wrote(tmp_path: Path, make_result: MakeResult) -> None:
    folder = RunFolder(tmp_path, "2026-01-02T03:04:05Z")
    for rounds in (1, 2):
        folder.keep(make_result({"pytorch": 80, "onnx": 40}, rounds=rounds, interrupted=True))
    assert load_result(folder.path).complete_rounds == 2
    assert len(list(tmp_path.iterdir())) == 1


def test_two_runs_in_one_second_have_two_folders(tmp_path: Path, make_result: MakeResult) -> None:
    result = make_result({"onnx": 40})
    folders = [RunFolder(tmp_path, result.started) for _ in range(2)]
    for folder in folders:
        folder.keep(result)
    assert [folder.path.name for folder in folders] == ["2026-01-02T03-04-05Z", "2026-01-02T03-04-05Z-2"]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, make_result: MakeResult) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BenchError, match="cannot be written to"):
        RunFolder(tmp_path / "file", "now").keep(make_result({"onnx": 40}))


def test_no_result_or_another_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="cannot be read"):
        load_result(tmp_path)
    (tmp_path / "result.json").write_text('{"schema_version": 1}')
    with pytest.raises(BenchError, match="schema version 1; this program reads 2: measure again"):
        load_result(tmp_path)
    (tmp_path / "result.json").write_text('{"schema_version": 2}')
    with pytest.raises(BenchError, match="is not a result of schema version 2: started: Field required"):
        load_result(tmp_path)


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ({"rounds": 4}, "rounds is 4; at least 5"),
        ({"time_budget_s": -1}, "time_budget_s is -1"),
        ({"timeout_s": float("nan")}, "timeout_s is nan"),
        ({"price_per_hour": 0}, "price_per_hour is 0"),
        ({"goal": "glory"}, "goal is 'glory'; choose latency, throughput, cost, wan"),
        ({"kinds": ("single", "double")}, "scenario is 'double'"),
        ({"goal": "wan", "quick": True}, "add --scenario wan"),
    ],
)
def test_options_that_cannot_give_a_result_are_refused(tmp_path: Path, bad: dict[str, object], says: str) -> None:
    with pytest.raises(BenchError, match=says):
        BenchOptions(Addresses("http://127.0.0.1:8002"), tmp_path, tmp_path, **bad)  # type: ignore[arg-type]


@pytest.mark.parametrize("given", [["--api-key", "sesame"], ["--api-key=sesame"]])
def test_the_key_is_not_written_down(given: list[str]) -> None:
    shown = command_line(["/bin/bakeoff", "bench", *given, "--quick"])
    assert "sesame" not in shown
    assert shown.startswith("bakeoff bench --api-key")
    assert shown.endswith(" --quick")
