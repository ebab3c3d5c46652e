"""Quotas of control groups count as cores: both versions, nested groups, containers' views of them, and a real one."""

import math
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.client.pool import usual_processes
from bench.machine import this_machine
from server import limits
from server.hardware import resolve
from server.home import ROOT
from server.limits import available_cores, cpu_quota, memory_limit
from server.live.machine import processors
from server.settings import Settings

V2 = "24 1 0:22 {root} /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate"
V1_CPU = "33 31 0:29 {root} /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct"
V1_MEMORY = "34 31 0:30 {root} /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory"


def system(folder: Path, cgroup: str, mounts: list[str], files: dict[str, str]) -> Path:
    """Make a tree with what the kernel tells; `files` by their path below /sys/fs/cgroup."""
    told = {
        "proc/self/cgroup": cgroup,
        "proc/self/mountinfo": "1 0 8:1 / / rw - ext4 /dev/sda rw\n" + "\n".join(mounts),
    }
    for name, text in {**told, **{f"sys/fs/cgroup/{name}": text for name, text in files.items()}}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"{text}\n")
    return folder


CASES = {
    "docker run --cpus=2, version 2, own namespace": (
        "0::/", [V2.format(root="/")], {"cpu.max": "200000 100000"}, 2.0,
    ),
    "version 2 as root of the machine, which has no such file": ("0::/", [V2.format(root="/")], {}, None),
    "no limit": ("0::/", [V2.format(root="/")], {"cpu.max": "max 100000"}, None),
    "the group above is tighter": (
        "0::/kubepods/pod/c", [V2.format(root="/")],
        {"kubepods/cpu.max": "max 100000", "kubepods/pod/cpu.max": "150000 100000", "kubepods/pod/c/cpu.max": "300000 100000"},
        1.5,
    ),
    "the group itself is tighter": (
        "0::/a/b", [V2.format(root="/")], {"a/cpu.max": "400000 100000", "a/b/cpu.max": "10000 20000"}, 0.5,
    ),
    "the host's path of a container without a namespace": (
        "0::/docker/id", [V2.format(root="/docker/id")], {"cpu.max": "200000 100000"}, 2.0,
    ),
    "a group outside of what is mounted": (
        "0::/../other", [V2.format(root="/")], {"cpu.max": "200000 100000"}, 2.0,
    ),
    "version 1": (
        "5:cpu,cpuacct:/docker/id\n4:memory:/x\n0::/elsewhere", [V1_CPU.format(root="/docker/id")],
        {"cpu,cpuacct/cpu.cfs_quota_us": "250000", "cpu,cpuacct/cpu.cfs_period_us": "100000"}, 2.5,
    ),
    "version 1, no limit": (
        "5:cpu,cpuacct:/", [V1_CPU.format(root="/")],
        {"cpu,cpuacct/cpu.cfs_quota_us": "-1", "cpu,cpuacct/cpu.cfs_period_us": "100000"}, None,
    ),
    "version 1, nested": (
        "5:cpu,cpuacct:/a/b", [V1_CPU.format(root="/")],
        {"cpu,cpuacct/a/cpu.cfs_quota_us": "100000", "cpu,cpuacct/a/cpu.cfs_period_us": "100000",
         "cpu,cpuacct/a/b/cpu.cfs_quota_us": "300000", "cpu,cpuacct/a/b/cpu.cfs_period_us": "100000"}, 1.0,
    ),
    "both versions at once": (
        "5:cpu,cpuacct:/\n0::/s", [V2.format(root="/").replace("cgroup rw", "cgroup/unified rw"), V1_CPU.format(root="/")],
        {"unified/s/cpu.max": "300000 100000", "cpu,cpuacct/cpu.cfs_quota_us": "200000", "cpu,cpuacct/cpu.cfs_period_us": "100000"},
        2.0,
    ),
    "a mount point with a space": (
        "0::/", [V2.format(root="/").replace("/sys/fs/cgroup", r"/sys/fs/cgroup/a\040b")], {"a b/cpu.max": "200000 100000"}, 2.0,
    ),
    "what nobody writes": ("0::", ["x", "1 2", " - "], {"cpu.max": "200000"}, None),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_tightest_quota_counts(tmp_path: Path, case: str) -> None:
    cgroup, mounts, files, quota = CASES[case]
    assert cpu_quota(system(tmp_path, cgroup, mounts, files)) == quota


def test_a_machine_without_control_groups_has_no_quota(tmp_path: Path) -> None:
    assert cpu_quota(tmp_path) is None
    assert available_cores(tmp_path) == len(os.sched_getaffinity(0))


@pytest.mark.parametrize(("quota", "cores"), [(None, 64), (200, 64), (2, 2), (1.5, 2), (1.0, 1), (0.1, 1)])
def test_a_quota_is_rounded_up_and_within_the_affinity(
    monkeypatch: pytest.MonkeyPatch, quota: float | None, cores: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(64)))
    monkeypatch.setattr(limits, "cpu_quota", lambda _system: quota)
    assert available_cores() == cores


def test_everything_that_is_sized_to_the_cores_sees_the_quota(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(64)))
    monkeypatch.setattr(limits, "cpu_quota", lambda _system: 2.0)
    monkeypatch.setattr("server.hardware.gpus", tuple)
    found = resolve(Settings(backends=("pytorch",)))
    assert (found.threads, found.decode_workers) == (2, 2)
    assert (usual_processes(), this_machine().cores, processors()) == (1, 2, 2)


@pytest.mark.parametrize(
    ("cgroup", "mounts", "files", "limit"),
    [
        ("0::/a/b", [V2.format(root="/")], {"a/memory.max": "1000", "a/b/memory.max": "max"}, 1000),
        ("4:memory:/a", [V1_MEMORY.format(root="/")], {"memory/a/memory.limit_in_bytes": "9223372036854771712"}, None),
        ("4:memory:/a", [V1_MEMORY.format(root="/a")], {"memory/memory.limit_in_bytes": "5000"}, 5000),
    ],
)
def test_memory_has_the_tightest_limit_too(
    tmp_path: Path, cgroup: str, mounts: list[str], files: dict[str, str], limit: int | None
) -> None:
    assert memory_limit(system(tmp_path, cgroup, mounts, files)) == limit


@given(st.lists(st.one_of(st.none(), st.integers(1, 64_000)), min_size=1, max_size=5))
def test_however_deep_the_least_of_all_counts(
    tmp_path_factory: pytest.TempPathFactory, quotas: list[int | None]
) -> None:
    files, path = {}, ""
    for quota in quotas:
        path += "/g"
        files[f"{path[1:]}/cpu.max"] = f"{quota or 'max'} 1000"
    found = cpu_quota(system(tmp_path_factory.mktemp("system"), f"0::{path}", [V2.format(root="/")], files))
    limited = [quota / 1000 for quota in quotas if quota]
    assert found == (min(limited) if limited else None)
    assert found is None or math.ceil(found) >= 1


@pytest.fixture
def group_of_one_core() -> Iterator[Path]:
    """A real control group with a quota of one core."""
    for parent, files in (
        (Path("/sys/fs/cgroup/cpu"), {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "100000"}),
        (Path("/sys/fs/cgroup"), {"cpu.max": "100000 100000"}),
    ):
        group = parent / f"bakeoff-test-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            for name, value in files.items():
                (group / name).write_text(value)
        except OSError:
            group.rmdir()
            continue
        yield group
        group.rmdir()
        return
    pytest.skip("no control group with a quota can be made here (root and a writable /sys/fs/cgroup are needed)")


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core is all there is here")
def test_threads_under_a_real_quota_of_one_core(group_of_one_core: Path) -> None:
    code = "from server.hardware import resolve; from server.settings import load_settings; print(resolve(load_settings()).threads)"
    join = f"echo $$ >{group_of_one_core}/cgroup.procs && exec {sys.executable} -c '{code}'"
    done = subprocess.run(["sh", "-c", join], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "1"
