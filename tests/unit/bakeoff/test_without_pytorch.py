"""Port 8002 is there for every set of backends, so where nothing answers a stack is to be started, whatever it runs."""

import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bakeoff.cli import app

COMMANDS = (["bench", "--quick"], ["bench-server"], ["soak"])


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("backends", ["pytorch,onnx", "onnx"])
def test_a_stack_is_to_be_started(tmp_path: Path, command: list[str], backends: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {
        "BAKEOFF_HOME": str(tmp_path),
        "PYTORCH_HTTP_PORT": str(port),
        "COLUMNS": "400",
        "BACKENDS": backends,
    }
    outcome = CliRunner(env=environment).invoke(app, command)
    assert outcome.exit_code == 1
    assert "bakeoff up" in outcome.output
    assert "BACKENDS" not in outcome.output
