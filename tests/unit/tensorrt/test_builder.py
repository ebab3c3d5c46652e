"""Real engines, built with TensorRT-RTX from the real FP16 graph, and what is said when there is none."""

import ast
import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from server.home import ROOT
from server.tensorrt import builder_process
from server.tensorrt.builder import build, errors, progress
from server.tensorrt.builder.profiles import Profile, profiles
from server.tensorrt.builder.progress import Progress
from server.tensorrt.builder_process import BuildCancelled, BuildFailed
from tests.unit.tensorrt.conftest import FinishedBuild, Home16, request_in

STAND_ALONE = {"numpy", "cuda", "triton_python_backend_utils"}


def never() -> threading.Event:
    return threading.Event()


def ignore(_progress: float, _phase: str) -> None:
    """Listen to no report."""


def test_the_engine_takes_every_batch_and_pixels_as_they_are(built: FinishedBuild) -> None:
    image, embedding = built.engine["tensors"]
    assert image == {"name": "image", "mode": "input", "type": "UINT8", "shape": [-1, 3, 224, 224]}
    assert embedding == {"name": "embedding", "mode": "output", "type": "FLOAT", "shape": [-1, 512]}
    assert built.engine["profiles"] == [[1, 8, 128], [1, 64, 128]]
    assert built.request.output.stat().st_size > 150e6


def test_the_network_computes_in_fp16(built: FinishedBuild) -> None:
    products = {row["type"]: row["count"] for row in built.engine["layers"] if row["layer"] == "MATRIX_MULTIPLY"}
    assert set(products) == {"HALF"}
    constants = {row["type"]: row["bytes"] for row in built.engine["layers"] if row["layer"] == "CONSTANT"}
    assert constants["HALF"] > 160e6


def test_progress_never_falls_and_ends_at_one(built: FinishedBuild) -> None:
    figures = [progress for progress, _ in built.reports]
    assert figures == sorted(figures)
    assert figures[0] == 0
    assert figures[-1] == 1
    assert any(0.1 < figure < 0.9 for figure in figures)
    assert len({phase for _, phase in built.reports}) > 3


def test_the_build_takes_less_than_a_minute_and_leaves_its_log(built: FinishedBuild) -> None:
    assert built.engine["seconds"] < 60
    assert "Engine generation completed" in built.request.log.read_text()


def test_the_builder_runs_from_its_folder_with_an_onnx_path_alone(shallow: Home16) -> None:
    onnx = shallow.root / shallow.onnx.path
    answer = subprocess.run(
        [sys.executable, ROOT / "server" / "tensorrt" / "builder", onnx],
        capture_output=True, text=True, timeout=120, check=True, cwd="/",
    )  # fmt: skip
    plan = onnx.with_suffix(".plan")
    assert json.loads(answer.stdout.splitlines()[-1])["engine"]["module"].startswith("tensorrt")
    assert plan.stat().st_size > 20e6
    plan.unlink()


def test_the_folder_is_all_that_the_builder_needs(tmp_path: Path) -> None:
    copy = shutil.copytree(builder_process.PROGRAM, tmp_path / "elsewhere")
    answer = subprocess.run(
        [sys.executable, copy, "--describe"], capture_output=True, text=True, timeout=120, check=True, cwd="/"
    )
    assert json.loads(answer.stdout.splitlines()[-1])["module"].startswith("tensorrt")


@pytest.mark.parametrize(
    "file",
    [*sorted(builder_process.PROGRAM.glob("*.py")), ROOT / "triton_backends" / "tensorrt" / "model.py"],
    ids=lambda file: f"{file.parent.name}/{file.name}",
)
def test_what_has_to_stand_alone_does(file: Path) -> None:
    nodes = list(ast.walk(ast.parse(file.read_text(), feature_version=(3, 10))))
    assert all(node.level <= 1 for node in nodes if isinstance(node, ast.ImportFrom))  # nothing above its own folder
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level}
    assert {name.partition(".")[0] for name in names} <= set(sys.stdlib_module_names) | STAND_ALONE


def test_a_stopped_build_ends_at_once_and_leaves_nothing(home: Home16, tmp_path: Path) -> None:
    request = request_in(tmp_path / "stopped", home.root / home.onnx.path)
    stopping = threading.Event()

    def stop_in_the_middle(progress: float, _phase: str) -> None:
        if progress > 0.1:
            stopping.set()

    with pytest.raises(BuildCancelled):
        builder_process.build(request, timeout_s=120, report=stop_in_the_middle, stopping=stopping)
    assert [file.name for file in request.output.parent.iterdir()] == ["build.log"]


@pytest.mark.parametrize("how", ["SIGTERM", "parent's death"])
def test_the_builder_ends_when_told_in_the_middle(home: Home16, tmp_path: Path, how: str) -> None:
    output = tmp_path / "model.plan"
    command = [sys.executable, builder_process.PROGRAM, home.root / home.onnx.path, "--output", output, "--with-parent"]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdin
    assert process.stdout
    for line in process.stdout:
        if json.loads(line).get("progress", 0) > 0.1:
            break
    began = time.monotonic()
    if how == "SIGTERM":
        process.send_signal(signal.SIGTERM)
    else:
        process.stdin.close()
    assert process.wait(10) == errors.CANCELLED_STATUS
    assert time.monotonic() - began < 2.5
    assert list(tmp_path.iterdir()) == []
    process.stdout.close()
    process.stdin.close()


def test_a_build_without_end_is_ended(home: Home16, tmp_path: Path) -> None:
    with pytest.raises(BuildFailed, match="COMPILE_TIMEOUT_S"):
        builder_process.build(
            request_in(tmp_path, home.root / home.onnx.path), timeout_s=0.1, report=ignore, stopping=never()
        )


def test_a_damaged_graph_is_named_with_the_end_of_the_log(tmp_path: Path) -> None:
    graph = tmp_path / "graph.onnx"
    graph.write_bytes(b"not a graph")
    with pytest.raises(
        BuildFailed, match=r"ended with 1; the end of .*build\.log: .*graph\.onnx: TensorRT .* cannot read it"
    ):
        builder_process.build(request_in(tmp_path, graph), timeout_s=60, report=ignore, stopping=never())


def pretend(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: str) -> None:
    program = tmp_path / "builder.py"
    program.write_text(code)
    monkeypatch.setattr(builder_process, "PROGRAM", program)


def test_out_of_memory_is_tried_once_more_with_less(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pretend(
        monkeypatch,
        tmp_path,
        "import sys; print(sys.argv, file=sys.stderr); print('CUDA out of memory', file=sys.stderr); sys.exit(3)",
    )
    request = request_in(tmp_path, tmp_path / "graph.onnx")
    with pytest.raises(BuildFailed, match=r"out of GPU memory; stop what else runs.*CUDA out of memory"):
        builder_process.build(request, timeout_s=60, report=ignore, stopping=never())
    shares = [
        line.partition("--workspace-share=")[2].partition("'")[0] for line in request.log.read_text().splitlines()
    ]
    assert list(filter(None, shares)) == ["0.5", "0.125"]


def test_a_second_attempt_that_fits_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pretend(
        monkeypatch,
        tmp_path,
        "import sys; sys.exit(3) if '--workspace-share=0.5' in sys.argv else print('{\"engine\": {}}')",
    )
    request = request_in(tmp_path, tmp_path / "graph.onnx")
    assert builder_process.build(request, timeout_s=60, report=ignore, stopping=never()) == {}


def test_a_crash_of_the_builder_is_a_reason_not_a_crash(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pretend(monkeypatch, tmp_path, "import os; os.kill(os.getpid(), 11)")
    with pytest.raises(BuildFailed, match="ended by SIGSEGV"):
        builder_process.build(
            request_in(tmp_path, tmp_path / "graph.onnx"), timeout_s=60, report=ignore, stopping=never()
        )


@pytest.mark.parametrize(
    ("logged", "kind"),
    [
        (["Error Code 2: OutOfMemory (no further information)"], errors.OutOfMemory),
        (["Cuda Runtime (out of memory)"], errors.OutOfMemory),
        (["Could not find any implementation due to insufficient memory"], errors.OutOfMemory),
        (["Error Code 9: no implementation"], errors.BuildError),
        ([], errors.BuildError),
    ],
)
def test_memory_is_told_from_other_errors(logged: list[str], kind: type[Exception]) -> None:
    one = build.Build(None, ignore)  # type: ignore[arg-type]  # it is not run
    one._errors.extend(logged)
    assert type(one._failure("TensorRT built no engine")) is kind


@pytest.mark.parametrize(
    ("largest", "expected"),
    [(1, [(1, 1, 1)]), (8, [(1, 8, 8)]), (32, [(1, 8, 32), (1, 32, 32)]), (128, [(1, 8, 128), (1, 64, 128)])],
)
def test_profiles_reach_from_one_to_the_largest(largest: int, expected: list[Profile]) -> None:
    assert profiles(largest) == expected


def test_nested_phases_make_one_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "EMIT_INTERVAL_S", 0)
    reports: list[tuple[float, str]] = []
    phases = Progress(lambda *each: reports.append(each))
    phases.started("Building engine", None, 2)
    phases.stepped("Building engine", 0)
    phases.started("Building engine from subgraph", "Building engine", 1)
    phases.started("Optimizing graph", "Building engine from subgraph", 2)
    phases.finished("Optimizing graph")
    before = reports[-1][0]
    phases.started("Timing tactics", "Building engine from subgraph", 4)
    for step in range(4):
        phases.stepped("Timing tactics", step)
    phases.finished("Timing tactics")
    assert reports[-1][0] > before + 0.1
    phases.finished("a phase that was never started")
    phases.stepped("Building engine from subgraph", 0)
    phases.finished("Building engine from subgraph")
    phases.stepped("Building engine", 1)
    phases.finished("Building engine")
    figures = [figure for figure, _ in reports]
    assert figures == sorted(figures)
    assert figures[-1] == pytest.approx(progress.WRITING, abs=0.06)
    assert "Timing tactics" in [phase for _, phase in reports]
