"""The two models that every backend serves, by the names that the whole project uses."""

from math import prod

from server.oip.datatypes import BYTES
from server.oip.model import ModelSpec, TensorSpec

PIXEL_MODEL = "openclip_vit_b32"
ENCODED_MODEL = "openclip_vit_b32_encoded"
PREPROCESS_MODEL = "openclip_preprocess"
"""Decodes for a Triton; there the model of encoded files is an ensemble of it and the pixel model."""

IMAGE = "image"
ENCODED_IMAGE = "encoded_image"
EMBEDDING = "embedding"

IMAGE_SHAPE = (3, 224, 224)
IMAGE_BYTES = prod(IMAGE_SHAPE)
EMBEDDING_SIZE = 512

MODEL_VERSION = "1"
PLATFORM = "pytorch"

_EMBEDDING = TensorSpec(EMBEDDING, "FP32", (-1, EMBEDDING_SIZE))


def model_specs(max_batch_size: int) -> tuple[ModelSpec, ModelSpec]:
    """Return the pixel model and the model of encoded files, for requests of 1 to `max_batch_size` images."""
    pixels = TensorSpec(IMAGE, "UINT8", (-1, *IMAGE_SHAPE))
    files = TensorSpec(ENCODED_IMAGE, BYTES, (-1, 1))
    return (
        ModelSpec(PIXEL_MODEL, (MODEL_VERSION,), PLATFORM, (pixels,), (_EMBEDDING,), max_batch_size),
        ModelSpec(ENCODED_MODEL, (MODEL_VERSION,), PLATFORM, (files,), (_EMBEDDING,), max_batch_size),
    )
