"""What this process may use of the machine: processor cores and memory, by its affinity and by its control groups.

Containers and orchestrators (`docker --cpus`, Kubernetes limits, systemd's CPUQuota) bound processor time by a quota, which leaves every
core visible. Nested groups add up, so the tightest one from ours upwards counts. (cgroups(7); the kernel's cgroup-v2.rst and
sched-bwc.rst.)
"""

import math
import os
import re
from collections.abc import Iterator
from pathlib import Path

SYSTEM = Path("/")

UNLIMITED = 2**60
"""From here on a number of bytes means that there is no limit; cgroup v1 writes it so."""


def available_cores(system: Path = SYSTEM) -> int:
    """Return how many cores this process may use: those of its affinity mask, or what its quota allows, rounded up."""
    own = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cpu_quota(system)
    return own if quota is None else max(1, min(own, math.ceil(quota)))


def cpu_quota(system: Path = SYSTEM) -> float | None:
    """Return the processor time per time that the tightest group allows, 1.0 for one core; None without a limit."""
    found = [
        quota for folder in _groups("cpu", system) if (quota := _quota_v2(folder) or _quota_v1(folder)) is not None
    ]
    return min(found, default=None)


def memory_limit(system: Path = SYSTEM) -> int | None:
    """Return the bytes that the tightest group allows; None without a limit."""
    found = [
        int(text)
        for folder in _groups("memory", system)
        for name in ("memory.max", "memory.limit_in_bytes")
        if (text := _read(folder / name)).isdigit() and int(text) < UNLIMITED
    ]
    return min(found, default=None)


def _quota_v2(folder: Path) -> float | None:
    quota, _, period = _read(folder / "cpu.max").partition(" ")
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() and int(period) else None


def _quota_v1(folder: Path) -> float | None:
    quota, period = _read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() and int(period) else None


def _groups(controller: str, system: Path) -> Iterator[Path]:
    """Yield the folders of this process's group and of all above it that are mounted here, of cgroup v1 and v2."""
    own = _own_groups(system)
    for line in _read(system / "proc/self/mountinfo").splitlines():
        # 36 35 98:0 ROOT MOUNT_POINT options [optional fields] - TYPE source SUPER_OPTIONS
        mount, _, filesystem = line.partition(" - ")
        fields, kind = mount.split(" "), filesystem.split(" ")
        if len(fields) < 5 or len(kind) < 3:
            continue
        if kind[0] == "cgroup2":
            name = ""
        elif kind[0] == "cgroup" and controller in kind[2].split(","):
            name = controller
        else:
            continue
        top = system / _unescaped(fields[4]).lstrip("/")
        below = _below(own.get(name, "/"), _unescaped(fields[3]))
        for folder in (top / below, *(top / below).parents):
            yield folder
            if folder == top:
                break


def _own_groups(system: Path) -> dict[str, str]:
    """Return the path of this process's group by controller; that of cgroup v2 has none and is called ''."""
    found = {}
    for line in _read(system / "proc/self/cgroup").splitlines():
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        found.update(dict.fromkeys(controllers.split(","), path))
    return found


def _below(path: str, root: str) -> str:
    """Return a group's path below what is mounted; the mount itself where the group lies outside, as in a container."""
    root = root.rstrip("/")
    inside = path.startswith(f"{root}/") and ".." not in path.split("/")
    return path.removeprefix(root).strip("/") if inside else ""


def _unescaped(field: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="surrogateescape").strip()
    except OSError:
        return ""
