"""The rendered model repositories."""

from pathlib import Path

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from server.hardware import Hardware
from server.settings import Settings
from server.triton.repository import render, values

CPU = Hardware("cpu", "fp32", "cpu", threads=2, http_workers=1, decode_workers=3, warmup_max_batch=16, gpus=())


def configuration(folder: Path) -> model_config_pb2.ModelConfig:
    return text_format.Parse((folder / "config.pbtxt").read_text(), model_config_pb2.ModelConfig())


@pytest.mark.parametrize("name", ["onnx", "tensorrt"])
def test_every_model_is_what_triton_reads(tmp_path: Path, name: str) -> None:
    settings = Settings(max_batch_size=64, batch_delay_us=250)
    repository = render(name, tmp_path / "repository", values(settings, CPU), None)
    models = {folder.name: configuration(folder) for folder in repository.iterdir()}
    assert set(models) == {"openclip_vit_b32", "openclip_vit_b32_encoded", "openclip_preprocess"}
    for folder, model in models.items():
        assert model.name == folder
        assert model.max_batch_size == 64
        assert (repository / folder / "1").is_dir()
    pixels = models["openclip_vit_b32"]
    assert pixels.dynamic_batching.max_queue_delay_microseconds == 250
    assert [group.count for group in pixels.instance_group] == [1]
    assert pixels.parameters["precision"].string_value == "fp32"
    assert models["openclip_preprocess"].instance_group[0].count == 3
    steps = [step.model_name for step in models["openclip_vit_b32_encoded"].ensemble_scheduling.step]
    assert steps == ["openclip_preprocess", "openclip_vit_b32"]


def test_the_model_file_is_linked_and_a_second_rendering_replaces_the_first(tmp_path: Path) -> None:
    model = tmp_path / "some.onnx"
    model.write_bytes(b"graph")
    target = tmp_path / "repository"
    render("onnx", target, values(Settings(), CPU), model)
    (target / "left-over").mkdir()
    render("onnx", target, values(Settings(), CPU), model)
    assert (target / "openclip_vit_b32" / "1" / "model.onnx").read_bytes() == b"graph"
    assert not (target / "left-over").exists()


def test_a_placeholder_without_a_value_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        render("onnx", tmp_path / "repository", {}, None)
