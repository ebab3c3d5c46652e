"""What a window cost the server's side: its GPUs by NVML, its processes by the operating system.

`with Sampler({"pytorch": "http://127.0.0.1:8002"}) as sampler:` and then, around each window, `sampler.start_window()`
and `sampler.end_window()`, which returns a `Telemetry`. Everything that cannot be known is None: figures of servers on
other hosts, of GPUs where there is none, of processes that may not be looked at.
"""

from bench.telemetry.record import BackendTelemetry, GpuTelemetry, Telemetry
from bench.telemetry.sampler import Sampler

__all__ = ["Sampler", "Telemetry", "GpuTelemetry", "BackendTelemetry"]
