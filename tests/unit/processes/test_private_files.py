"""What a program that opens its files to all by itself can no longer do."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from server.processes import private_files

ROOT = Path(__file__).parents[3]

PROGRAM = """
import os, stat, sys
from server.processes.private_files import keep_private

os.setuid(int(sys.argv[1]))
file = os.memfd_create("file")
os.fchmod(file, 0o600)
keep_private()
if child := os.fork():
    sys.exit(os.waitpid(child, 0)[1])
for mode in (0o644, 0o660, 0o601, 0o400, 0o700):
    os.fchmod(file, mode)
    print(oct(stat.S_IMODE(os.fstat(file).st_mode)))
"""


@pytest.mark.parametrize("user", sorted({os.getuid(), 65534 if os.getuid() == 0 else os.getuid()}))
def test_a_child_of_it_opens_nothing_to_others_and_is_not_told(user: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(user)], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == ["0o600", "0o600", "0o600", "0o400", "0o700"]


def test_on_another_machine_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(OSError, match="not known on riscv64"):
        private_files.keep_private()
