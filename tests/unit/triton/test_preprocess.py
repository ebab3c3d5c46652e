"""Triton's preprocessing as its configuration is rendered, with a double of Triton's own module."""

import importlib.util
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from google.protobuf import json_format, text_format
from PIL import Image
from tritonclient.grpc import model_config_pb2

from server.hardware import Hardware
from server.images import prepare
from server.settings import Settings
from server.triton.repository import render, values
from tests.hostile import png_of_nothing

CPU = Hardware("cpu", "fp32", "cpu", threads=2, http_workers=1, decode_workers=3, warmup_max_batch=16, gpus=())
MAX_PIXELS = 100_000_000


class TritonErrorDouble(str):
    """A message with a code."""

    INVALID_ARG = 3

    def __new__(cls, message: str, code: int) -> "TritonErrorDouble":
        """Keep the code."""
        made = super().__new__(cls, message)
        made.code = code
        return made


Prepare = Callable[[list[bytes], Settings], list[np.ndarray] | TritonErrorDouble]


@pytest.fixture
def preprocessed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Prepare:
    triton = SimpleNamespace(
        TritonError=TritonErrorDouble,
        Tensor=lambda _name, pixels: pixels,
        InferenceResponse=lambda tensors=None, error=None: tensors[0] if error is None else error,
        get_input_tensor_by_name=lambda request, _name: SimpleNamespace(as_numpy=lambda: request),
    )
    monkeypatch.setitem(sys.modules, "triton_python_backend_utils", triton)

    def preprocess(files: list[bytes], settings: Settings) -> list[np.ndarray] | TritonErrorDouble:
        folder = render("onnx", tmp_path / "repository", values(settings, CPU), None) / "openclip_preprocess"
        spec = importlib.util.spec_from_file_location("preprocess", folder / "1" / "model.py")
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        config = text_format.Parse((folder / "config.pbtxt").read_text(), model_config_pb2.ModelConfig())
        described = json_format.MessageToDict(config, preserving_proto_field_name=True)
        model = module.TritonPythonModel()
        model.initialize({"model_config": json.dumps(described)})
        try:
            return model.execute([np.array(files, dtype=np.object_).reshape(-1, 1)])[0]
        finally:
            model.finalize()

    return preprocess


def lying(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize((320, 240)).save(buffer, "JPEG", exif=exif)
    return buffer.getvalue()


@pytest.mark.parametrize("applied", [False, True])
def test_photos_are_turned_when_the_setting_says_so(preprocessed: Prepare, applied: bool) -> None:
    files = [lying(number) for number in range(1, 9)]
    found = preprocessed(files, Settings(apply_exif_orientation=applied))
    expected = [prepare(file, max_pixels=MAX_PIXELS, upright=applied) for file in files]
    np.testing.assert_array_equal(found, expected)
    assert np.array_equal(found[0], found[2]) is not applied


def test_a_file_that_cannot_be_used_is_a_client_s_error_that_names_it(preprocessed: Prepare) -> None:
    buffer = io.BytesIO()
    Image.new("1", (99_999_999, 1)).save(buffer, "PNG")
    error = preprocessed([lying(1), buffer.getvalue()], Settings())
    assert isinstance(error, TritonErrorDouble)
    assert error.code == TritonErrorDouble.INVALID_ARG
    assert error == "encoded_image[1]: 99999999x1: one side may be at most 65535 times as long as the other"


def test_a_file_that_costs_too_much_is_a_client_s_error_too(preprocessed: Prepare) -> None:
    files = [lying(1), png_of_nothing(4400, 4400), lying(1)]
    error = preprocessed(files, Settings(decode_cpu_s=0.15))
    assert isinstance(error, TritonErrorDouble)
    assert error.code == TritonErrorDouble.INVALID_ARG
    assert error == "encoded_image[1]: takes more than 0.15 s of processor time to decode"
