"""The rendered model repositories."""

from dataclasses import replace
from pathlib import Path

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from server.hardware import Hardware
from server.setting_types import Precision
from server.settings import Settings
from server.triton.repository import graph_sizes, place_model, render, values

CPU = Hardware("cpu", "fp32", "cpu", threads=2, http_workers=1, decode_workers=3, warmup_max_batch=16, gpus=())
GPU = Hardware("cuda", "fp16", "gpu", threads=2, http_workers=8, decode_workers=3, warmup_max_batch=16, gpus=())


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
    assert models["openclip_preprocess"].parameters["decoders"].string_value == "3"
    assert models["openclip_preprocess"].parameters["apply_exif_orientation"].string_value == "false"
    steps = [step.model_name for step in models["openclip_vit_b32_encoded"].ensemble_scheduling.step]
    assert steps == ["openclip_preprocess", "openclip_vit_b32"]


@pytest.mark.parametrize(("hardware", "largest", "sizes"), [(CPU, 64, [16]), (CPU, 16, []), (GPU, 64, [])])
def test_on_a_cpu_requests_are_joined_up_to_what_suits_it(
    tmp_path: Path, hardware: Hardware, largest: int, sizes: list[int]
) -> None:
    repository = render("onnx", tmp_path / "r", values(Settings(max_batch_size=largest), hardware), None)
    assert list(configuration(repository / "openclip_vit_b32").dynamic_batching.preferred_batch_size) == sizes


@pytest.mark.parametrize(("precision", "use_tf32"), [("fp32", "0"), ("fp16", "0"), ("tf32", "1")])
def test_fp32_is_not_tf32_on_a_gpu(tmp_path: Path, precision: Precision, use_tf32: str) -> None:
    hardware = replace(GPU, precision=precision)
    model = configuration(render("onnx", tmp_path / "r", values(Settings(), hardware), None) / "openclip_vit_b32")
    (accelerator,) = model.optimization.execution_accelerators.gpu_execution_accelerator
    assert (accelerator.name, dict(accelerator.parameters)) == ("cuda", {"use_tf32": use_tf32})


def test_a_cpu_gets_no_options_of_the_cuda_provider(tmp_path: Path) -> None:
    model = configuration(render("onnx", tmp_path / "r", values(Settings(), CPU), None) / "openclip_vit_b32")
    assert not model.HasField("optimization")


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


@pytest.mark.parametrize("largest", [1, 2, 5, 48, 100, 128, 1024])
def test_every_batch_has_a_graph_with_at_most_a_third_of_its_rows_idle(tmp_path: Path, largest: int) -> None:
    repository = render("tensorrt", tmp_path / "r", values(Settings(max_batch_size=largest), GPU), None)
    model = configuration(repository / "openclip_vit_b32")
    assert model.optimization.cuda.graphs
    graphs = model.optimization.cuda.graph_spec
    ranges = [(graph.graph_lower_bound.batch_size, graph.batch_size) for graph in graphs]
    assert [size for low, high in ranges for size in range(low, high + 1)] == list(range(1, largest + 1))
    assert all((high - low) / high <= 1 / 3 for low, high in ranges)
    assert [size for _, size in ranges] == graph_sizes(largest)
    for graph in graphs:  # without the shape Triton would use a graph for its very size only
        assert list(graph.input["image"].dim) == list(graph.graph_lower_bound.input["image"].dim) == [3, 224, 224]


def test_the_engine_runs_on_the_gpu_it_was_built_for_with_every_profile(tmp_path: Path) -> None:
    repository = render("tensorrt", tmp_path / "r", values(Settings(), GPU), None)
    (group,) = configuration(repository / "openclip_vit_b32").instance_group
    assert group.kind == model_config_pb2.ModelInstanceGroup.KIND_GPU
    assert list(group.gpus) == [0]
    assert list(group.profile) == ["0", "1"]


def test_placing_replaces_what_is_there(tmp_path: Path) -> None:
    repository = render("tensorrt", tmp_path / "r", values(Settings(), CPU), None)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        plan = tmp_path / name / "model.plan"
        plan.write_text(name)
        place_model(repository, plan)
    folder = repository / "openclip_vit_b32" / "1"
    assert [file.name for file in folder.iterdir()] == ["model.plan"]
    assert (folder / "model.plan").read_text() == "b"
