"""Linear layers with weights in the order that oneDNN computes with.

PyTorch gives FP32 matrix products on a CPU to MKL, which on processors of other makers than Intel is 2 to 3 times slower
than oneDNN (docs/performance.md), and lets oneDNN reorder BF16 weights at every call. The operators used here are the ones
that `torch.compile` emits for frozen weights; calling them directly needs no compiler on the user's machine.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional


class PackedLinear(nn.Module):
    """A drop-in for `nn.Linear` on a CPU, for inference."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self._weight = torch.ops.mkldnn._reorder_linear_weight(weight.detach(), None)
        self._bias = bias

    def forward(self, values: Tensor) -> Tensor:
        """Return `values @ weight.T + bias`."""
        result: Tensor = torch.ops.mkldnn._linear_pointwise(values, self._weight, self._bias, "none", [], "")
        return result


class PackedAttention(nn.Module):
    """A drop-in for the self-attention that `nn.MultiheadAttention` (batch first) computes in a vision transformer."""

    def __init__(self, attention: nn.MultiheadAttention) -> None:
        super().__init__()
        self._heads = attention.num_heads
        self._project_in = PackedLinear(attention.in_proj_weight, attention.in_proj_bias)
        self._project_out = PackedLinear(attention.out_proj.weight, attention.out_proj.bias)

    def forward(self, values: Tensor, *_: Tensor, **__: object) -> tuple[Tensor, None]:
        """Attend from and to `values` `[N, tokens, width]`; the arguments that open_clip passes besides are the same."""
        count, tokens, width = values.shape
        joined = self._project_in(values).view(count, tokens, 3, self._heads, width // self._heads)
        query, key, value = joined.permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(query, key, value)
        return self._project_out(attended.transpose(1, 2).reshape(count, tokens, width)), None


def pack(module: nn.Module) -> None:
    """Replace the linear and attention layers inside `module`, which must be on the CPU and in eval mode."""
    for name, child in module.named_children():
        if isinstance(child, nn.MultiheadAttention):
            setattr(module, name, PackedAttention(child))
        elif isinstance(child, nn.Linear):
            setattr(module, name, PackedLinear(child.weight, child.bias))
        else:
            pack(child)
