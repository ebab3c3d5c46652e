"""Which backend is of which kind."""

import threading
from collections.abc import Callable

from server.backend_addresses import BackendAddress, addresses
from server.backends.interface import Backend
from server.backends.pytorch import PyTorchBackend
from server.backends.tensorrt import TensorRTBackend
from server.backends.triton import TritonBackend
from server.hardware import Hardware
from server.model.artifacts import ModelArtifacts
from server.settings import BackendName, Settings


def backends(settings: Settings, hardware: Hardware, model: ModelArtifacts, stopping: threading.Event) -> list[Backend]:
    """Return the enabled backends in their fixed order; `stopping` ends what one of them does for long."""
    kinds: dict[BackendName, Callable[[BackendAddress], Backend]] = {
        "pytorch": lambda address: PyTorchBackend(address, hardware),
        "onnx": TritonBackend,
        "tensorrt": lambda address: TensorRTBackend(address, settings, hardware, model, stopping),
    }
    return [kinds[name](address) for name, address in addresses(settings).items()]
