"""Making the model's files: weights, ONNX graphs and reference embeddings."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch.export import Dim

from server import hardware
from server.files import atomic_file
from server.images import prepare
from server.images.bundled import bundled_photos
from server.limits import available_cores
from server.model.agreement import compare
from server.model.artifacts import Artifact, GraphPrecision, ModelArtifacts, ModelError
from server.model.module import ServingModule, load_module
from server.model.recipe import OPSET
from server.model.reference import Reference
from server.model.weights import resolve_weights
from server.settings import Settings

MAX_BATCH = 1024
"""Upper end of the exported batch dimension: the most that `MAX_BATCH_SIZE` allows, so that it never asks for a new export."""

CUDA_PROVIDER, CPU_PROVIDER = "CUDAExecutionProvider", "CPUExecutionProvider"

log = logging.getLogger("bakeoff.export")


def make(
    settings: Settings, recipe: dict[str, str], precisions: tuple[GraphPrecision, ...], progress: Callable[[str], None]
) -> ModelArtifacts:
    """Resolve the weights, export the graphs, compute the reference embeddings.

    Args:
        recipe: what decided the content, kept in the description.
        precisions: the graphs to export.

    Raises:
        ModelError: the weights cannot be had, or a graph does not agree with PyTorch.
        OSError: the folder cannot be written, or the disk is full; nothing half-written is left.
    """
    home = settings.home
    torch.set_num_threads(available_cores())
    progress(f"weights: {settings.pretrained}")
    weights = resolve_weights(settings)
    weights_file = home.weights / "visual.safetensors"
    with written(weights_file) as temporary:
        save_file(weights.visual, temporary)

    module = load_module(weights_file, quick_gelu=weights.quick_gelu)
    progress("reference: FP32 PyTorch embeddings of the probe photos")
    reference = _reference(module, settings)
    reference_file = home.weights / "reference.npz"
    with written(reference_file) as temporary:
        reference.save(temporary)

    graphs: dict[GraphPrecision, Artifact] = {}
    for precision in precisions:
        progress(f"ONNX: exporting {precision.upper()}")
        file = home.onnx / f"openclip_vit_b32.{precision}.onnx"
        source = module
        if precision == "fp16":
            source = load_module(weights_file, quick_gelu=weights.quick_gelu, dtype=torch.float16)
        with written(file) as temporary:
            export_graph(source, temporary)
            progress(f"ONNX: checking {precision.upper()} against PyTorch")
            _check_graph(temporary, reference, precision, settings)
        graphs[precision] = Artifact.of(file, home)
    return ModelArtifacts(
        pretrained=settings.pretrained,
        source=weights.source,
        note=weights.note,
        recipe=recipe,
        quick_gelu=weights.quick_gelu,
        weights=Artifact.of(weights_file, home),
        onnx=graphs,
        reference=Artifact.of(reference_file, home),
    )


@contextmanager
def written(path: Path) -> Iterator[Path]:
    """Give a temporary path whose content takes `path`'s place, as `atomic_file` does.

    Raises:
        OSError: it cannot be written; says what to do.
    """
    try:
        with atomic_file(path) as temporary:
            yield temporary
    except (OSError, SafetensorError) as error:  # which a full disk is to safetensors
        raise OSError(f"{path} cannot be written: {error}; free some space there, or fix the folder") from error


def _reference(module: ServingModule, settings: Settings) -> Reference:
    photos = bundled_photos()
    if len(photos) < 2:
        raise ModelError("the probe photos are missing from photos/; restore the folder from the repository")
    files = [photo.read_bytes() for photo in photos]
    pixels = np.stack([prepare(file, max_pixels=int(settings.max_megapixels * 1e6)) for file in files])
    with torch.inference_mode():
        return Reference(files, pixels, module(torch.from_numpy(pixels)).numpy())


def export_graph(module: ServingModule, path: Path) -> None:
    """Write `module` as an ONNX file with a dynamic batch, in the precision that it computes in."""
    # Their warnings about opset conversion describe their own fallbacks; the result is checked against PyTorch below.
    for name in ("onnxscript", "torch.onnx"):
        logging.getLogger(name).setLevel(logging.ERROR)
    example = torch.zeros((2, 3, 224, 224), dtype=torch.uint8)
    program = torch.onnx.export(
        module,
        (example,),
        dynamo=True,
        opset_version=OPSET,
        dynamic_shapes=({0: Dim("batch", min=1, max=MAX_BATCH)},),
        input_names=["image"],
        output_names=["embedding"],
        external_data=False,
        verbose=False,
    )
    assert program is not None  # only the TorchScript exporter returns None
    program.save(str(path))


def _providers(settings: Settings) -> list[str | tuple[str, dict[str, int]]]:
    """Return the providers to check with, of those that this ONNX Runtime has: the image's has the CPU's only."""
    if hardware.resolve(settings).device != "cuda" or CUDA_PROVIDER not in onnxruntime.get_available_providers():
        return [CPU_PROVIDER]
    onnxruntime.preload_dlls()
    return [(CUDA_PROVIDER, {"use_tf32": 0}), CPU_PROVIDER]


def _check_graph(path: Path, reference: Reference, precision: GraphPrecision, settings: Settings) -> None:
    onnx.checker.check_model(str(path), full_check=True)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = available_cores()
    if precision == "fp16":
        # ONNX Runtime 1.32 crashes on a CPU when it fuses the FP16 graph; node by node it computes it. On a GPU, too: where
        # the CUDA provider cannot be loaded, the CPU's takes its place without asking.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    session = onnxruntime.InferenceSession(str(path), options, providers=_providers(settings))
    (embeddings,) = session.run(["embedding"], {"image": reference.pixels})
    agreement = compare(embeddings, reference.embeddings, precision)
    if not agreement.holds:
        raise ModelError(
            f"the {precision.upper()} ONNX export does not agree with PyTorch: {agreement}; please report this"
        )
    log.info("ONNX %s agrees with PyTorch: %s", precision.upper(), agreement)
