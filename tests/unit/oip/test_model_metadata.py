from importlib.metadata import version

import pytest

from server.oip.model import ModelSpec, TensorSpec, metadata, server_metadata
from server.oip.spec import model_specs
from tests.unit.oip.oip_messages import ENCODED, PIXELS


def test_metadata_of_the_pixel_model() -> None:
    assert metadata(PIXELS) == {
        "name": "openclip_vit_b32",
        "versions": ["1"],
        "platform": "pytorch",
        "inputs": [{"name": "image", "datatype": "UINT8", "shape": [-1, 3, 224, 224]}],
        "outputs": [{"name": "embedding", "datatype": "FP32", "shape": [-1, 512]}],
    }


def test_metadata_of_the_encoded_model() -> None:
    document = metadata(ENCODED)
    assert document["name"] == "openclip_vit_b32_encoded"
    assert document["inputs"] == [{"name": "encoded_image", "datatype": "BYTES", "shape": [-1, 1]}]
    assert document["outputs"] == metadata(PIXELS)["outputs"]


def test_batch_limit_is_the_setting() -> None:
    assert {PIXELS.max_batch_size, ENCODED.max_batch_size} == {8}


def test_server_metadata_claims_what_is_served() -> None:
    document = server_metadata()
    assert document["name"] == "clip-bakeoff"
    assert set(document["extensions"]) == {"binary_tensor_data", "statistics", "model_configuration", "parameters"}


def test_specifications_that_cannot_be_served() -> None:
    with pytest.raises(ValueError, match=r"FP16 of tensor x is not one of UINT8, .*, BYTES"):
        TensorSpec("x", "FP16", (-1,))
    with pytest.raises(ValueError, match=r"\(3,\) of tensor x does not start with the batch"):
        TensorSpec("x", "UINT8", (3,))
    with pytest.raises(ValueError, match="output x of model m is BYTES"):
        ModelSpec("m", ("1",), "p", (), (TensorSpec("x", "BYTES", (-1,)),), 1)


def test_the_two_models_are_those_of_the_readme() -> None:
    pixels, files = model_specs(16)
    embedding = (TensorSpec("embedding", "FP32", (-1, 512)),)
    image = (TensorSpec("image", "UINT8", (-1, 3, 224, 224)),)
    encoded = (TensorSpec("encoded_image", "BYTES", (-1, 1)),)
    assert pixels == ModelSpec("openclip_vit_b32", ("1",), "pytorch", image, embedding, 16)
    assert files == ModelSpec("openclip_vit_b32_encoded", ("1",), "pytorch", encoded, embedding, 16)


def test_a_server_tells_its_version() -> None:
    assert server_metadata()["version"] == version("clip-bakeoff")
