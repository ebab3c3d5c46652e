"""The log of a stack in the background."""

import subprocess
import sys
from pathlib import Path

import pytest

from bakeoff import stack
from server.home import ROOT
from server.processes import capped_log
from server.settings import Settings

CAP = "import sys; from pathlib import Path; from server.processes.capped_log import main; main(Path(sys.argv[1]), 100_000)"


def test_the_file_and_the_one_before_it_have_a_largest_size(tmp_path: Path) -> None:
    file = tmp_path / "stack.log"
    lines = b"".join(b"line %d\n" % number for number in range(100_000))
    subprocess.run([sys.executable, "-c", CAP, file], cwd=ROOT, input=lines, check=True, timeout=60)
    before = tmp_path / "stack.log.1"
    kept = before.read_bytes() + file.read_bytes()
    assert lines.endswith(kept)
    assert 100_000 - capped_log.PIECE < before.stat().st_size <= 100_000
    assert file.stat().st_size <= 100_000


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_holds_nobody_up() -> None:
    subprocess.run([sys.executable, "-c", CAP, "/dev/full"], cwd=ROOT, input=b"x" * 10**6, check=True, timeout=60)


def test_a_stack_in_the_background_writes_through_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "entrypoint.sh"
    script.write_text("#!/bin/sh\necho out; echo err >&2; echo again >/dev/fd/1\n")
    script.chmod(0o700)
    monkeypatch.setattr(stack, "ENTRYPOINT", script)
    started: list[subprocess.Popen[bytes]] = []
    popen = subprocess.Popen

    def noted(*arguments: object, **words: object) -> subprocess.Popen[bytes]:
        started.append(popen(*arguments, **words))  # type: ignore[call-overload]
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", noted)
    log = stack.start_detached(Settings(bakeoff_home=tmp_path / "home"))
    assert [process.wait(30) for process in started] == [0, 0]
    assert log.read_text().split() == ["out", "err", "again"]
