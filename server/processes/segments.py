"""Triton's files in /dev/shm, in which its Python models share photos, pixels and embeddings.

Whoever ends a Triton removes them: one that is killed cannot, and the photos in them would outlive the stack.
"""

from server import shared_memory
from server.backend_addresses import BackendAddress, addresses
from server.setting_types import BACKEND_NAMES
from server.settings import Settings


def prefix(backend: BackendAddress) -> str:
    """Return the prefix of this backend's files in /dev/shm, its own for every port."""
    return f"bakeoff-{backend.name}-{backend.http_port}-"


def remove(backend: BackendAddress) -> None:
    """Remove what a tritonserver that has ended left behind; to be called while none runs on its port."""
    for stale in shared_memory.FOLDER.glob(f"{prefix(backend)}*"):
        stale.unlink(missing_ok=True)


def remove_all(settings: Settings) -> None:
    """Remove what every Triton of a stack that has ended left behind, also of one that is not enabled any more."""
    every = settings.model_copy(update={"backends": BACKEND_NAMES})
    table = addresses(every)
    for name in every.tritons:
        remove(table[name])
