"""Which backend is of which kind."""

from collections.abc import Callable

from server.backend_addresses import BackendAddress, addresses
from server.backends.interface import Backend
from server.backends.pytorch import PyTorchBackend
from server.backends.tensorrt import TensorRTBackend
from server.backends.triton import TritonBackend
from server.hardware import Hardware
from server.model.artifacts import ModelArtifacts
from server.setting_types import BackendName
from server.settings import Settings


def backends(settings: Settings, hardware: Hardware, model: ModelArtifacts) -> list[Backend]:
    """Return the enabled backends in their fixed order."""
    kinds: dict[BackendName, Callable[[BackendAddress], Backend]] = {
        "pytorch": lambda address: PyTorchBackend(address, hardware),
        "onnx": TritonBackend,
        "tensorrt": lambda address: TensorRTBackend(address, settings, hardware, model),
    }
    return [kinds[name](address) for name, address in addresses(settings).items()]
