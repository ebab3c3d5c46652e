"""Without pytorch nothing serves port 8002, and whoever asks it is told why."""

import json
import os
import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bakeoff import stack
from bakeoff.cli import app
from bakeoff.stack import why_8002_is_closed
from server.settings import Settings
from server.state import READINESS

COMMANDS = (["bench", "--quick"], ["bench-server"], ["soak"])
CAUSE = "which pytorch serves and where the others are found: the stack {} with BACKENDS={}; add pytorch to BACKENDS"


@pytest.fixture
def port() -> int:
    """Give a port at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        found: int = free.getsockname()[1]
    return found


def failing(home: Path, port: int, *words: str, **settings: str) -> str:
    environment = {"BAKEOFF_HOME": str(home), "PYTORCH_HTTP_PORT": str(port), "COLUMNS": "400", **settings}
    outcome = CliRunner(env=environment).invoke(app, [*words])
    assert outcome.exit_code == 1
    return outcome.output


@pytest.mark.parametrize("command", COMMANDS)
def test_a_set_of_backends_without_pytorch_is_named_as_the_cause(tmp_path: Path, port: int, command: list[str]) -> None:
    text = failing(tmp_path, port, *command, BACKENDS="onnx")
    assert f"nothing answers at http://127.0.0.1:{port}, {CAUSE.format('is set up', 'onnx')}" in text
    assert "start the stack with" not in text


@pytest.mark.parametrize("command", COMMANDS)
def test_with_pytorch_a_stack_is_to_be_started(tmp_path: Path, port: int, command: list[str]) -> None:
    text = failing(tmp_path, port, *command)
    assert "bakeoff up" in text
    assert "BACKENDS" not in text


def test_a_stack_elsewhere_is_not_explained_by_the_settings_here(tmp_path: Path, port: int) -> None:
    other = f"http://localhost:{port}/stack"
    text = failing(tmp_path, port, "bench", "--quick", "--url", other, BACKENDS="onnx")
    assert f"nothing answers at {other}/ready" in text


def test_what_runs_counts_and_not_what_this_shell_would_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(bakeoff_home=tmp_path)
    monkeypatch.setattr(stack, "running", lambda _: os.getpid())
    file = READINESS.at(tmp_path)
    file.parent.mkdir(parents=True)
    for names in (["onnx", "tensorrt"], ["pytorch", "onnx"]):
        file.write_text(json.dumps({"ready": True, "backends": {name: {"state": "ready"} for name in names}}))
        reason = why_8002_is_closed(settings)
        if "pytorch" in names:
            assert reason is None
        else:
            assert reason is not None
            assert CAUSE.format("runs", "onnx,tensorrt") in reason
