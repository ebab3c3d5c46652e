"""What the start will ask of the GPU's libraries, tried once: `python -m server.preflight.gpu_probe DEVICE STEP ...`.

Apart from the preflight, because a library that does not fit may crash or hang. Each step's name is printed before it is
tried; why one failed goes to stderr.
"""

import ctypes
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from server.hardware import gpus
from server.tensorrt.builder.libraries import load_module

if TYPE_CHECKING:
    from torch import Tensor

TOLERANCE = 0.02
"""Of the largest element: FP16, and TF32 in a convolution. A library that does not fit is off by more than that."""

NVINFER = re.compile(r"/\S+/libnvinfer\.so[.\d]*$", re.MULTILINE)

MATRICES, CONVOLUTION, ATTENTION = "a matrix product", "a convolution", "attention"
BUILDER = "TensorRT's builder"


class Wrong(RuntimeError):
    """A library works, but not as it should; the message says what it does."""


def matrices(device: str) -> None:
    """Multiply two matrices (cuBLAS)."""
    import torch

    a, b = torch.rand(64, 256), torch.rand(256, 64)
    _compare((a.to(device) @ b.to(device)), a @ b)
    _compare((a.to(device).half() @ b.to(device).half()), a @ b)  # cublasLt has kernels of its own for each type


def convolution(device: str) -> None:
    """Make a convolution (cuDNN)."""
    import torch
    from torch.nn.functional import conv2d

    image, kernels = torch.rand(2, 3, 64, 64), torch.rand(8, 3, 5, 5)
    if not torch.backends.cudnn.version():  # type: ignore[no-untyped-call]
        raise Wrong("torch finds no cuDNN")  # it would go on without
    _compare(conv2d(image.to(device), kernels.to(device)), conv2d(image, kernels))


def attention(device: str) -> None:
    """Compute attention as the model does."""
    import torch
    from torch.nn.functional import scaled_dot_product_attention

    q, k, v = (torch.rand(2, 12, 50, 64) for _ in range(3))
    there = scaled_dot_product_attention(q.to(device).half(), k.to(device).half(), v.to(device).half())
    _compare(there, scaled_dot_product_attention(q, k, v))


def tensorrt(device: str) -> None:
    """Make a TensorRT builder, and load what it loads later: kernels for this GPU, in libraries of their own."""
    module = load_module()
    builder = module.Builder(module.Logger(module.Logger.ERROR))
    found = NVINFER.search(Path("/proc/self/maps").read_text())
    if found and device != "cpu":  # TensorRT-RTX is one library
        for library in builder_resources(Path(found[0]).parent, gpus()[0].compute_capability):
            ctypes.CDLL(str(library))
    del builder


def builder_resources(folder: Path, capability: tuple[int, int]) -> list[Path]:
    """Return the libraries with a builder's kernels for a GPU: one for all GPUs, or one for each kind of them, or both.

    Args:
        folder: where libnvinfer lies.
        capability: the GPU's compute capability.
    """
    others = re.compile(rf"_win\.|_sm(?!{capability[0]}{capability[1]}\.)\d+\.")
    return sorted(file for file in folder.glob("libnvinfer_builder_resource*.so*") if not others.search(file.name))


def _compare(found: "Tensor", expected: "Tensor") -> None:
    error = float((found.cpu().float() - expected.float()).abs().max() / expected.float().abs().max())
    if not error <= TOLERANCE:
        raise Wrong(f"the GPU's result is off by {error:.2g} of the largest element (at most {TOLERANCE:g})")


STEPS: dict[str, Callable[[str], None]] = {
    MATRICES: matrices,
    CONVOLUTION: convolution,
    ATTENTION: attention,
    BUILDER: tensorrt,
}


def main() -> None:
    """Try the steps that the command line names."""
    device, *names = sys.argv[1:]
    for name in names:
        print(name, flush=True)
        try:
            STEPS[name](device)
        except Exception as error:
            sys.exit(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
