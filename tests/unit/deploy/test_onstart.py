"""The on-start script, really run as root, in a mount namespace where /opt/bakeoff is a stand-in for the image's."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / "deploy" / "vast" / "onstart.sh"
# What the script writes outside of its folder is bound to files of the test; then the script runs, then the shells.
RUN = """
set -eu
mount -t tmpfs tmpfs /opt && mkdir /opt/bakeoff && mount --bind "$FAKE/app" /opt/bakeoff
mount -t tmpfs -o mode=755 tmpfs /srv && mkdir -m 2770 /srv/home && chown 10001:0 /srv/home
mount --bind "$FAKE/environment" /etc/environment
mount --bind "$FAKE/bin" /usr/local/bin
for round in 1 2; do
  sh "$SCRIPT"
  while [ ! -e /srv/home/started ]; do sleep 0.05; done
  rm /srv/home/started
done
echo == entrypoint; cat /srv/home/bakeoff.log; stat -c %u:%a /srv/home/bakeoff.log
echo == shell; env -i PATH=/usr/local/bin:/usr/bin:/bin bakeoff status --wait
env -i PATH=/usr/local/bin:/usr/bin:/bin LOG_LEVEL=error bakeoff health | grep LOG_LEVEL
echo == key; stat -c %u:%a /srv/home/api_key
! grep -rl a-secret /etc/environment /usr/local/bin
"""
SHOW = """#!/bin/sh
echo "$(basename "$0") $* as $(id -u):$(id -g)"
env | grep -E '^(API_KEY|HOME|BACKENDS|LOG_LEVEL|HOST|VAST_TCP_PORT_8002|PUBLIC_IPADDR|SECRET)='
"""


def unavailable() -> str | None:
    if os.getuid() != 0:
        return "needs root: the script does, as at Vast.ai"
    if subprocess.run(["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/opt"], check=False).returncode:
        return "needs mount namespaces (in a container: --privileged)"
    return None


@pytest.fixture(scope="module")
def fake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with what is mounted: the stand-in for /opt/bakeoff, /etc/environment and /usr/local/bin."""
    if reason := unavailable():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("root")
    bin_folder = folder / "app" / ".venv" / "bin"
    bin_folder.mkdir(parents=True)
    (folder / "bin").mkdir()
    (folder / "environment").write_text('EDITOR="vi"\nLOG_LEVEL="debug"\n')
    (folder / "app" / "entrypoint.sh").write_text(SHOW + "touch /srv/home/started\n")
    (bin_folder / "bakeoff").write_text(SHOW)
    (bin_folder / "python").write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" "$@"\n')
    for file in (folder / "app" / "entrypoint.sh", bin_folder / "bakeoff", bin_folder / "python"):
        file.chmod(0o755)
    for directory in (folder, folder / "app", folder / "app" / ".venv", bin_folder, folder / "bin"):
        directory.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def start(fake: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["unshare", "--mount", "sh", "-c", RUN],
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "FAKE": str(fake), "SCRIPT": str(SCRIPT)} | environment,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def started(fake: Path) -> "subprocess.CompletedProcess[str]":
    """Two starts of an instance, and shells that see nothing of its environment."""
    answer = start(
        fake, BAKEOFF_HOME="/srv/home", HOST="0.0.0.0", LOG_LEVEL="warning", BACKENDS="pytorch,onnx",
        PRETRAINED="$(reboot)", VAST_TCP_PORT_8002="40123", PUBLIC_IPADDR="192.0.2.7", SECRET="x",
        API_KEY="a-secret",
    )  # fmt: skip
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer


def section(answer: "subprocess.CompletedProcess[str]", name: str) -> list[str]:
    return answer.stdout.partition(f"== {name}\n")[2].partition("\n==")[0].split("\n")


def test_the_entrypoint_runs_as_the_images_user_with_the_whole_environment(
    started: "subprocess.CompletedProcess[str]",
) -> None:
    lines = section(started, "entrypoint")
    assert lines[0] == "entrypoint.sh  as 10001:0"
    assert {"HOME=/srv/home", "LOG_LEVEL=warning", "SECRET=x"} <= set(lines)
    assert lines[-1] == "10001:600"  # the log's owner: supervisord's programs open it again; and nobody else reads it


def test_shells_get_bakeoff_with_the_settings_as_the_same_user(started: "subprocess.CompletedProcess[str]") -> None:
    lines = section(started, "shell")
    assert lines[0] == "bakeoff status --wait as 10001:0"
    assert {"HOME=/srv/home", "HOST=0.0.0.0", "BACKENDS=pytorch,onnx", "VAST_TCP_PORT_8002=40123"} <= set(lines)
    assert not [line for line in lines if line.startswith("SECRET")]


def test_the_key_is_in_no_file_that_everybody_may_read(started: "subprocess.CompletedProcess[str]") -> None:
    assert section(started, "key")[:2] == ["10001:400", ""]
    assert "API_KEY=a-secret" in section(started, "shell")


def test_a_shells_own_settings_are_stronger(started: "subprocess.CompletedProcess[str]") -> None:
    assert "LOG_LEVEL=error" in section(started, "shell")


def test_ssh_shells_get_the_settings_once_and_keep_what_was_there(
    started: "subprocess.CompletedProcess[str]", fake: Path
) -> None:
    lines = (fake / "environment").read_text().splitlines()
    assert lines[0] == 'EDITOR="vi"'
    assert sorted(lines[1:]) == [
        'BACKENDS="pytorch,onnx"', 'BAKEOFF_HOME="/srv/home"', 'HOST="0.0.0.0"', 'LOG_LEVEL="warning"',
        'PUBLIC_IPADDR="192.0.2.7"', 'VAST_TCP_PORT_8002="40123"',
    ]  # fmt: skip


def test_a_value_that_a_shell_would_run_is_named_and_left_out(started: "subprocess.CompletedProcess[str]") -> None:
    assert "onstart: PRETRAINED is not given to shells" in started.stderr


def test_another_image_is_named(fake: Path) -> None:
    answer = start(fake)
    assert answer.returncode != 0
    assert "BAKEOFF_HOME: is not set, so this is not the clip-bakeoff image" in answer.stderr
