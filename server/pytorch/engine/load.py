"""Loading the model onto its device, in the arithmetic that the settings resolve to."""

import logging
from dataclasses import dataclass

import numpy as np
import torch

from server.hardware import Hardware
from server.images.bundled import bundled_photos
from server.ipc.messages import Loaded
from server.model import artifacts
from server.model.agreement import compare
from server.model.artifacts import ModelArtifacts
from server.model.module import ServingModule, load_module
from server.model.reference import Reference
from server.pytorch.engine.cpu import CpuEncoder
from server.pytorch.engine.decode_loop import Decoder
from server.pytorch.engine.encode_loop import Encoder
from server.pytorch.engine.packed import pack
from server.settings import Settings, SettingsError

DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16, "tf32": torch.float32, "fp32": torch.float32}

log = logging.getLogger("bakeoff.pytorch")


@dataclass(frozen=True)
class Model:
    """The loaded parts, and what is told to the workers about them."""

    encoder: Encoder
    decoder: Decoder | None
    loaded: Loaded


def load(settings: Settings, hardware: Hardware, gpu: int | None) -> Model:
    """Load the exported weights; takes seconds.

    Args:
        gpu: the CUDA device, or None for the CPU.

    Raises:
        ModelError: nothing has been exported.
        SettingsError: `DECODE=gpu` where the GPU's decoder cannot be used.
    """
    model = artifacts.require(settings)
    torch.set_num_threads(hardware.threads)  # of its own it takes every core that it sees, whatever the quota
    if gpu is None:
        return _on_cpu(model, settings, hardware)
    torch.cuda.set_device(gpu)
    if settings.pytorch_gpu_memory_mb:
        total = torch.cuda.get_device_properties(gpu).total_memory
        torch.cuda.set_per_process_memory_fraction(min(1.0, settings.pytorch_gpu_memory_mb * 2**20 / total), gpu)
    return _on_gpu(model, settings, hardware)


def _on_gpu(model: ModelArtifacts, settings: Settings, hardware: Hardware) -> Model:
    from server.pytorch.engine.cuda import CudaEncoder

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = hardware.precision == "tf32"
    module = _module(model, settings, hardware.precision).cuda()
    encoder = CudaEncoder(module, settings.max_batch_size)
    decoder = _gpu_decoder(settings) if hardware.decode == "gpu" else None
    return Model(encoder, decoder, Loaded(hardware.precision, "gpu" if decoder else "cpu"))


def _gpu_decoder(settings: Settings) -> Decoder | None:
    from server.pytorch.engine.nvjpeg import GpuDecoder

    try:
        probe = np.fromfile(bundled_photos()[0], np.uint8)
        return GpuDecoder(probe, apply_orientation=settings.apply_exif_orientation)
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        if settings.decode == "gpu":
            raise SettingsError(
                f"DECODE='gpu': nvJPEG cannot be used here ({reason}); set DECODE=cpu or leave it at auto"
            ) from None
        log.warning("nvJPEG cannot be used here (%s); JPEG files are decoded on the CPU", reason)
        return None


def _on_cpu(model: ModelArtifacts, settings: Settings, hardware: Hardware) -> Model:
    precision = hardware.precision
    encoder = _cpu_encoder(model, settings, precision)
    if precision == "bf16" and settings.precision == "auto":
        reference = Reference.load(settings.home.root / model.reference.path)
        with torch.inference_mode():
            embeddings = encoder.embed(torch.from_numpy(reference.pixels)).numpy()
        agreement = compare(embeddings, reference.embeddings, precision)
        if not agreement.holds:
            log.warning("BF16 does not agree with the reference with these weights (%s); computing in FP32", agreement)
            precision = "fp32"
            encoder = _cpu_encoder(model, settings, precision)
    return Model(encoder, None, Loaded(precision, "cpu"))


def _cpu_encoder(model: ModelArtifacts, settings: Settings, precision: str) -> CpuEncoder:
    module = _module(model, settings, precision)
    pack(module)
    return CpuEncoder(module, settings.max_batch_size)


def _module(model: ModelArtifacts, settings: Settings, precision: str) -> ServingModule:
    return load_module(settings.home.root / model.weights.path, quick_gelu=model.quick_gelu, dtype=DTYPES[precision])
