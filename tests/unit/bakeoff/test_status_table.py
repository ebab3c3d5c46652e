"""`bakeoff status` says what the page says, of the same recorded run."""

import copy
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bakeoff import status_table
from server.settings import Settings
from tests.browser.recorded_states import WHY_FAILED, Answer, invented_failure, invented_gpu, put, recorded


def shown(home: Path, answer: Answer) -> tuple[str, bool]:
    put(home, answer)
    console = Console(width=80, record=True)
    ready = status_table.show(Settings(bakeoff_home=home), console)
    return console.export_text(), ready


def test_what_is_ready_has_its_figures(tmp_path: Path) -> None:
    text, ready = shown(tmp_path, recorded("ready"))
    assert ready
    (line,) = [line for line in text.splitlines() if line.startswith("onnx ")]
    figures = recorded("ready")["history"]["backends"]["onnx"]
    for part in (
        "ready",
        f"{figures['images_per_s'][-1]:.3g}",
        f"{figures['p50_ms'][-1]:.0f} / {figures['p99_ms'][-1]:.0f}",
        f"{figures['queue_ms'][-1]:.3g}",
        "8e-07",
        "127.0.0.1:8010",
    ):
        assert part in line
    assert "ViT-B-32, random weights, FP32, cpu, batches up to 128" in text
    assert "processors" in text
    assert all(len(line) <= 80 for line in text.splitlines())


def test_the_start_up_is_told_state_by_state(tmp_path: Path) -> None:
    text, _ = shown(tmp_path, recorded("ready"))
    timings = recorded("ready")["ready"]["backends"]["onnx"]["timings_s"]
    assert timings
    expected = " · ".join(f"{state} {seconds:.1f} s" for state, seconds in timings.items())
    assert f"onnx: {expected}" in " ".join(text.split())


def test_what_compiles_has_its_phase_and_the_time_left(tmp_path: Path) -> None:
    text, ready = shown(tmp_path, recorded("compiling"))
    assert not ready
    assert "56%  Computing profile costs  about 4 s left" in text


def test_what_failed_has_its_reason(tmp_path: Path) -> None:
    text, _ = shown(tmp_path, invented_failure())
    assert WHY_FAILED in " ".join(text.split())


def test_weights_that_stand_in_are_said_once_with_the_reason(tmp_path: Path) -> None:
    answer = copy.deepcopy(recorded("ready"))
    answer["ready"]["model"]["note"] = "the weights of 'openai' could not be downloaded (no network)"
    words = " ".join(shown(tmp_path, answer)[0].split())
    assert (
        "model: the weights of 'openai' could not be downloaded (no network); random weights stand in for them" in words
    )
    assert words.count("mean nothing") == words.count("could not be downloaded") == 1


def test_a_gpu_is_told(tmp_path: Path) -> None:
    text, _ = shown(tmp_path, invented_gpu())
    assert "GPU 62% busy, 9.0 GiB of GPU memory" in text


@pytest.mark.parametrize("name", ["ready", "compiling", "killed"])
def test_the_page_and_the_console_know_the_same_states(tmp_path: Path, name: str) -> None:
    text, _ = shown(tmp_path, recorded(name))
    for backend, document in recorded(name)["ready"]["backends"].items():
        assert f"{backend} " in text
        assert document["state"] in text


def test_nothing_is_known_before_the_gate(tmp_path: Path) -> None:
    console = Console(width=130, record=True)
    assert not status_table.show(Settings(bakeoff_home=tmp_path), console)
    assert "not ready: the readiness gate has not started yet" in console.export_text()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "kept: onnx, by ada@here on 2026-11-28"),
        ({"result": "2026-11-27T01-02-03Z", "sentence": "Highest throughput: onnx."},
         "kept: onnx, by ada@here on 2026-11-28, because of 2026-11-27T01-02-03Z: Highest throughput: onnx"),
        ({"waits_for": "onnx to be ready, before pytorch is ended"},
         "by ada@here on 2026-11-28; waiting for onnx to be ready, before pytorch is ended"),
        ({"ending": ["pytorch"]}, "by ada@here on 2026-11-28; pytorch is ending"),
        ({"outranked": "BACKENDS=pytorch is set and outranks onnx"}, "BACKENDS=pytorch is set and outranks onnx"),
    ],
)  # fmt: skip
def test_what_is_kept_is_told(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    answer = copy.deepcopy(recorded("ready"))
    answer["ready"]["kept"] = {
        "backends": ["onnx"], "by": "ada@here", "when": "2026-11-28T01:02:03Z", "result": None, "sentence": None,
        "outranked": None, "waits_for": None, "ending": [], "ended": {}, "done": True, **changes,
    }  # fmt: skip
    text, _ = shown(tmp_path, answer)
    assert words in " ".join(text.split())
