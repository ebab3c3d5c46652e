"""Rendering a model repository: the templates of the source tree, this machine's values, the model's file."""

import os
import shutil
import sys
from pathlib import Path
from string import Template

from server.hardware import CPU_BATCH, Hardware
from server.home import ROOT
from server.oip.spec import PIXEL_MODEL
from server.settings import Settings
from server.tensorrt.builder.profiles import profiles

TEMPLATES = ROOT / "model_repository"
COMMON = "common"

MOST_DECODERS = 4
"""Most files of one request that are decoded at once, in as many processes of each of the `DECODE_WORKERS` instances."""

POWERS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
GRAPH_INPUT = 'input { key: "image" value { dim: [ 3, 224, 224 ] } }'


def values(settings: Settings, hardware: Hardware) -> dict[str, str]:
    """Return what the placeholders in the `config.pbtxt` files stand for."""
    return {
        "MAX_BATCH_SIZE": str(settings.max_batch_size),
        "BATCH_DELAY_US": str(settings.batch_delay_us),
        "KIND": "KIND_GPU" if hardware.device == "cuda" else "KIND_CPU",
        "ENGINE_INSTANCE": engine_instance(settings.max_batch_size, hardware),
        "CUDA_GRAPHS": cuda_graphs(settings.max_batch_size),
        "THREADS": str(hardware.threads),
        "DECODE_WORKERS": str(hardware.decode_workers),
        "DECODERS": str(min(MOST_DECODERS, hardware.decode_workers)),
        "DECODE_CPU_S": str(settings.decode_cpu_s),
        "REQUEST_TIMEOUT_S": str(settings.request_timeout_s),
        "PYTHON": sys.executable.replace("\\", r"\\").replace('"', r"\""),
        "MAX_PIXELS": str(int(settings.max_megapixels * 1e6)),
        "APPLY_EXIF_ORIENTATION": str(settings.apply_exif_orientation).lower(),
        "PRECISION": hardware.precision,
        "PREFERRED_BATCH": preferred_batch(settings.max_batch_size, hardware),
        "QUEUE_POLICY": queue_policy(settings),
        "GPU_MEMORY": gpu_memory(settings),
        "CUDA_PROVIDER": cuda_provider(hardware),
    }


def preferred_batch(largest: int, hardware: Hardware) -> str:
    """Return what has the dynamic batcher stop at the batch that suits a CPU, as the PyTorch server does.

    A larger request is computed as it is. On a GPU nothing: there the largest batch is the fastest.
    """
    return f"preferred_batch_size: [ {CPU_BATCH} ]" if hardware.device == "cpu" and largest > CPU_BATCH else ""


def queue_policy(settings: Settings) -> str:
    """Return the queue's limits; a client may ask for a shorter timeout, and gets 503 for what is refused or dropped."""
    return (
        f"default_queue_policy {{ max_queue_size: {settings.max_queue_requests} timeout_action: REJECT "
        f"default_timeout_microseconds: {round(settings.request_timeout_s * 1e6)} allow_timeout_override: true }}"
    )


def gpu_memory(settings: Settings) -> str:
    """Return ONNX Runtime's parameters that bound its arena, which then also grows by what is asked for, not by doubling."""
    if not settings.onnx_gpu_memory_mb:
        return ""
    parameters = {"gpu_mem_limit": settings.onnx_gpu_memory_mb * 2**20, "arena_extend_strategy": 1}
    return "\n".join(
        f'parameters {{ key: "{key}" value {{ string_value: "{value}" }} }}' for key, value in parameters.items()
    )


def cuda_provider(hardware: Hardware) -> str:
    """Return what keeps ONNX Runtime's CUDA provider from TF32, which it takes unasked for FP32; it is a precision of its own."""
    if hardware.device != "cuda":
        return ""
    option = f'parameters {{ key: "use_tf32" value: "{int(hardware.precision == "tf32")}" }}'
    return f'optimization {{ execution_accelerators {{ gpu_execution_accelerator {{ name: "cuda" {option} }} }} }}'


def engine_instance(largest: int, hardware: Hardware) -> str:
    """Return the fields of the `instance_group` that runs the engine: on the GPU it was built for, with every profile."""
    where = "kind: KIND_GPU gpus: [ 0 ]" if hardware.device == "cuda" else "kind: KIND_CPU"
    listed = ", ".join(f'"{index}"' for index in range(len(profiles(largest))))
    return f"count: 1 {where} profile: [ {listed} ]"


def graph_sizes(largest: int) -> list[int]:
    """Return the batch sizes to capture as CUDA graphs: in the next larger one at most a third of the rows is idle."""
    ladder = sorted({size for power in POWERS for size in (power, power * 3 // 2) if size < largest})
    return [*ladder, largest]


def cuda_graphs(largest: int) -> str:
    """Return the `graph_spec` entries of a `config.pbtxt`, one for each captured size.

    Each reaches down to the next smaller one. Both bounds state the input's shape: without it Triton compares the whole
    shape with that of the captured batch, and uses a graph for its very size only.
    """
    sizes = graph_sizes(largest)
    return "\n".join(
        f"    graph_spec {{ batch_size: {size} {GRAPH_INPUT} "
        f"graph_lower_bound {{ batch_size: {below + 1} {GRAPH_INPUT} }} }}"
        for below, size in zip([0, *sizes], sizes, strict=False)
    )


def render(name: str, target: Path, substitutions: dict[str, str], model_file: Path | None) -> Path:
    """Make the repository `name` from its own templates and the common ones.

    Args:
        name: a folder under `model_repository/`.
        target: where to make it; replaced as a whole.
        substitutions: what the placeholders stand for; every placeholder must have a value.
        model_file: the pixel model's file, linked as version 1; None when something else puts it there later.

    Raises:
        OSError: the folder cannot be written.
        KeyError: a template has a placeholder without a value.
    """
    shutil.rmtree(target, ignore_errors=True)
    for source in (TEMPLATES / COMMON, TEMPLATES / name):
        for file in sorted(path for path in source.rglob("*") if path.is_file() and "__pycache__" not in path.parts):
            rendered = target / file.relative_to(source)
            rendered.parent.mkdir(parents=True, exist_ok=True)
            if file.suffix == ".pbtxt":
                rendered.write_text(
                    Template(file.read_text(encoding="utf-8")).substitute(substitutions), encoding="utf-8"
                )
            else:
                shutil.copyfile(file, rendered)
    for model in target.iterdir():
        (model / "1").mkdir(exist_ok=True)  # Triton wants a version folder even of an ensemble
    if model_file is not None:
        place_model(target, model_file)
    return target


def place_model(repository: Path, model_file: Path) -> None:
    """Link `model_file` as version 1 of the pixel model, in one step, in place of what is there.

    Raises:
        OSError: the repository has not been made, or cannot be written.
    """
    link = repository / PIXEL_MODEL / "1" / f"model{model_file.suffix}"
    temporary = link.with_name(f".{link.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(model_file)
    temporary.replace(link)
