"""What `ps` shows of a program's secret arguments, and what the program gets."""

import json
import os
import subprocess
import sys

import pytest

PROGRAM = """
import os, sys
from pathlib import Path
from server.processes.hidden_arguments import become
show = "import json, sys; print(json.dumps([sys.argv[1:], open('/proc/self/cmdline').read().split(chr(0))]))"
become(Path(sys.executable), [sys.executable, "-S", "-c", show, "--open=1"], sys.argv[1:], dict(os.environ), print)
"""


def shown(*hidden: str, **variables: str) -> tuple[list[str], list[str]]:
    answer = subprocess.run(
        [sys.executable, "-c", PROGRAM, *hidden],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={**os.environ, **variables},
    )
    arguments, command_line = json.loads(answer.stdout.splitlines()[-1])
    return arguments, command_line


@pytest.mark.parametrize("hidden", [["--key=SECRET"], ["--a=SECRET 1=2,3:4", "--b=SECRET" * 500], []])
def test_the_program_gets_what_nobody_sees(hidden: list[str]) -> None:
    arguments, command_line = shown(*hidden)
    assert arguments == ["--open=1", *hidden]
    assert not [part for part in command_line if "SECRET" in part]
    assert command_line.count("--open=1") == 1


def test_a_long_environment_is_no_matter() -> None:
    arguments, _ = shown("--key=SECRET", **{f"FILLER_{index}": "x" * 100 for index in range(500)})
    assert arguments == ["--open=1", "--key=SECRET"]
