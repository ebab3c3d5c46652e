"""The model as it is described to people and programs."""

from typing import Any

from server.hardware import Hardware
from server.model import artifacts
from server.oip.spec import PIXEL_MODEL
from server.settings import Settings


def model_info(settings: Settings, hardware: Hardware) -> dict[str, Any]:
    """Describe the served model for `/model-info`, `/ready` and REST answers.

    Raises:
        ModelError: nothing has been exported.
    """
    model = artifacts.require(settings)
    return {
        "name": PIXEL_MODEL,
        "architecture": "ViT-B-32",
        "pretrained": model.pretrained,
        "source": model.source,
        "embeddings_meaningful": model.embeddings_meaningful,
        "note": model.note,
        "dimension": 512,
        "precision": hardware.precision,
        "device": hardware.device,
        "max_batch_size": settings.max_batch_size,
        "apply_exif_orientation": settings.apply_exif_orientation,
        "weights_sha256": model.weights.sha256,
    }
