"""The serving module: UINT8 pixels in, unit-length embeddings out, everything between inside the graph."""

from pathlib import Path

import open_clip
import torch
from open_clip.constants import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD
from safetensors.torch import load_file
from torch import Tensor, nn

ARCHITECTURE = "ViT-B-32"


class PatchEmbedding(nn.Module):
    """The patch embedding of a vision transformer, a convolution whose stride is its kernel, as one matrix product.

    ONNX Runtime's CUDA provider has cuDNN plan a convolution anew whenever the shape of its input changes, which takes
    some 40 ms, and a server that batches dynamically changes the batch all the time (docs/performance.md). Matrix
    products need no plan.
    """

    def __init__(self, convolution: nn.Conv2d) -> None:
        """Take over the weights of `convolution`, FP32 or FP16 `[width, 3, patch, patch]`, under the same name."""
        super().__init__()
        self.weight = convolution.weight

    def forward(self, pixels: Tensor) -> Tensor:
        """Embed `pixels`, `[N, 3, H, W]`, as `[N, width, H / patch, W / patch]`."""
        width, channels, patch, _ = self.weight.shape
        rows, columns = pixels.shape[2] // patch, pixels.shape[3] // patch
        patches = pixels.reshape(-1, channels, rows, patch, columns, patch).permute(0, 2, 4, 1, 3, 5)
        tokens = patches.reshape(-1, rows * columns, channels * patch * patch) @ self.weight.reshape(width, -1).t()
        return tokens.transpose(1, 2).reshape(-1, width, rows, columns)


class ServingModule(nn.Module):
    """open_clip's visual tower with its pre- and post-processing.

    Scaling, normalisation and the L2 norm are computed in FP32; the tower in the precision of its weights. The graph has
    no convolution.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, visual: nn.Module) -> None:
        super().__init__()
        self.visual = visual
        # CLIP's statistics, times 255 so that scaling to 0..1 and normalising are one subtraction and one division
        for name, values in (("mean", OPENAI_DATASET_MEAN), ("std", OPENAI_DATASET_STD)):
            tensor = torch.tensor(values, dtype=torch.float32).mul(255).view(1, 3, 1, 1)
            self.register_buffer(name, tensor, persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """Embed a batch.

        Args:
            image: UINT8 `[N, 3, 224, 224]`, RGB.

        Returns:
            FP32 `[N, 512]`, each row of L2 norm 1.
        """
        dtype = next(self.visual.parameters()).dtype
        pixels = (image.to(torch.float32) - self.mean) / self.std
        features = self.visual(pixels.to(dtype)).to(torch.float32)
        # Written out: a norm becomes ReduceL2, which has no conversion down to ONNX opset 17.
        unit: Tensor = features * features.square().sum(dim=-1, keepdim=True).rsqrt()
        return unit


def load_module(weights: Path, *, quick_gelu: bool, dtype: torch.dtype = torch.float32) -> ServingModule:
    """Build the serving module from a visual tower's saved state, on the CPU, ready for inference.

    Args:
        weights: a safetensors file as `bakeoff export` writes it.
        quick_gelu: the activation that the weights were trained with.
        dtype: what the tower is computed in.
    """
    # On the meta device the text tower and the random initialisation cost neither memory nor time.
    with torch.device("meta"):
        visual = open_clip.create_model(ARCHITECTURE, force_quick_gelu=quick_gelu, device="meta").visual
    visual.load_state_dict(load_file(weights), strict=True, assign=True)
    visual.conv1 = PatchEmbedding(visual.conv1)
    return ServingModule(visual.to(dtype)).eval().requires_grad_(False)
