"""The figures of one window."""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class GpuTelemetry(_Record):
    """One GPU over one window; None where its driver does not tell.

    Attributes:
        index, name: as NVML gives them.
        samples: times that it was looked at.
        utilisation: mean part of the time, 0 to 1, in which a kernel ran; it says nothing of how full the GPU was.
        memory_bytes: most memory in use at a look, of all processes.
        energy_j: energy in joules, of the whole board.
        energy_source: `counter`: the difference of the board's own energy counter; `power`: the integral of the sampled
            power, by trapezia.
        power_w: mean power in watts, `energy_j` over the window.
        sm_clock_mhz, memory_clock_mhz: mean clocks.
        sm_clock_min_mhz: the lowest at a look.
        temperature_c: highest at a look.
        throttled: by reason, as in NVML's `nvmlClocksEventReason...`, the part of the looks, 0 to 1, at which it kept
            the clocks down. Being idle is no such reason.
    """

    index: int
    name: str
    samples: int
    utilisation: float | None
    memory_bytes: int | None
    energy_j: float | None
    energy_source: Literal["counter", "power"] | None
    power_w: float | None
    sm_clock_mhz: float | None
    sm_clock_min_mhz: float | None
    memory_clock_mhz: float | None
    temperature_c: float | None
    throttled: dict[str, float] | None


class BackendTelemetry(_Record):
    """One backend's process tree over one window.

    Attributes:
        processes: how many at its end.
        cpu_s: CPU seconds, user and system, of all of them, those that ended within the window included.
        resident_bytes: memory in RAM at its end, or up to 5 s before; what several processes share counts once (PSS).
        gpu_memory_bytes: at its end, by the driver's account; None without a GPU, and in a container where the driver
            knows processes by other numbers.
    """

    processes: int
    cpu_s: float
    resident_bytes: int | None
    gpu_memory_bytes: int | None


class Telemetry(_Record):
    """The server's side of one window.

    Attributes:
        elapsed_s: length of the window.
        looking_s: the part of it that looking at the GPUs took, in a thread of the benchmark's own process; microseconds without one.
        gpus: of this machine; None when no backend runs on it or NVML cannot be asked.
        backends: by name; None for one that does not run on this machine or cannot be looked at.
    """

    elapsed_s: float
    looking_s: float = 0.0
    gpus: tuple[GpuTelemetry, ...] | None
    backends: dict[str, BackendTelemetry | None]

    @property
    def energy_j(self) -> float | None:
        """Joules of all GPUs together, to be divided by the window's images; None when one of them is unknown."""
        if not self.gpus or any(gpu.energy_j is None for gpu in self.gpus):
            return None
        return sum(gpu.energy_j or 0.0 for gpu in self.gpus)
