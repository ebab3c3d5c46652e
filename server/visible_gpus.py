"""Which GPUs CUDA shows to programs here, and in what order. NVML, which tells everything else, knows all GPUs of the machine.

CUDA_VISIBLE_DEVICES names GPUs by number, by UUID or its beginning, or MIG instances, and ends at the first name that is none; a GPU named
twice makes CUDA refuse; CUDA_DEVICE_ORDER decides what the numbers mean, by default not what NVML's mean; of several MIG instances CUDA may
show one. So CUDA itself is asked, in a process of its own (0.2 s a GPU on an H100), once for each process. (CUDA C++ Programming Guide,
CUDA Environment Variables; MIG User Guide, CUDA Device Enumeration.)
"""

import functools
import itertools
import json
import os
import subprocess
import sys
from dataclasses import dataclass

VARIABLE = "CUDA_VISIBLE_DEVICES"
ORDER = "CUDA_DEVICE_ORDER"

TIMEOUT_S = 60.0
NO_DEVICE, INVALID_DEVICE = 100, 101

# The second version of the question tells a MIG instance's own UUID, the first one that of the GPU that it is a part of.
QUESTION = """
import ctypes, json, uuid
driver = ctypes.CDLL("libcuda.so.1")
status, count, found = driver.cuInit(0), ctypes.c_int(), []
status = status or driver.cuDeviceGetCount(ctypes.byref(count))
for index in range(count.value):
    device, whole, own = ctypes.c_int(), (ctypes.c_ubyte * 16)(), (ctypes.c_ubyte * 16)()
    status = status or driver.cuDeviceGet(ctypes.byref(device), index)
    status = status or driver.cuDeviceGetUuid(whole, device)
    status = status or driver.cuDeviceGetUuid_v2(own, device)
    found.append(("GPU-" if bytes(own) == bytes(whole) else "MIG-") + str(uuid.UUID(bytes=bytes(own))))
print(json.dumps({"status": status, "uuids": found}))
"""


@dataclass(frozen=True)
class Answer:
    """What CUDA says: the status of asking (CUresult, 0 is success), and the UUIDs of its devices in its order."""

    status: int
    uuids: tuple[str, ...] = ()


def uuids() -> tuple[str, ...] | None:
    """Return the UUIDs of the GPUs that CUDA shows, in its order.

    None where it cannot be asked, or shows none though nothing is hidden: then the preflight says what is wrong with the driver,
    and until then every GPU counts that the driver knows.
    """
    answer = _answer(os.environ.get(VARIABLE), os.environ.get(ORDER))
    if answer.status == 0:
        return answer.uuids
    hidden = answer.status in (NO_DEVICE, INVALID_DEVICE) and VARIABLE in os.environ
    return () if hidden else None


def problem() -> str | None:
    """Return how CUDA_VISIBLE_DEVICES names other GPUs than CUDA shows, for a person; None when all is as it says."""
    value, shown = os.environ.get(VARIABLE), uuids()
    if value is None or shown is None:
        return None
    named = [name.strip() for name in value.rstrip(", ").split(",")]
    wanted = list(itertools.takewhile(lambda name: not name.startswith("-"), named)) if any(named) else []
    if len(shown) >= len(wanted):
        return None
    if _answer(value, os.environ.get(ORDER)).status == INVALID_DEVICE:
        return f"CUDA refuses {VARIABLE}={value}, which names a GPU twice, and shows none"
    why = f"it ends at the first name that it does not know, {wanted[len(shown)]!r}"
    if shown and all(name.startswith("MIG-") for name in wanted):
        why = "of several MIG instances a program sees one"
    return f"{VARIABLE}={value} names {len(wanted)}, and CUDA shows {len(shown)}: {why}"


@functools.cache
def _answer(value: str | None, order: str | None) -> Answer:
    """Ask CUDA; the arguments are what its answer depends on."""
    try:
        done = subprocess.run(
            [sys.executable, "-ISc", QUESTION], capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
        told = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return Answer(-1)
    return Answer(told["status"], tuple(told["uuids"]))
