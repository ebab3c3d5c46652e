"""Packed layers compute what the layers they replace compute."""

import torch
from torch import nn

from server.pytorch.engine.packed import PackedAttention, PackedLinear, pack


@torch.inference_mode()
def test_linear() -> None:
    layer = nn.Linear(96, 64).eval()
    values = torch.randn(2, 50, 96)
    torch.testing.assert_close(PackedLinear(layer.weight, layer.bias)(values), layer(values), atol=1e-5, rtol=1e-4)


@torch.inference_mode()
def test_attention() -> None:
    layer = nn.MultiheadAttention(64, 4, batch_first=True).eval()
    values = torch.randn(3, 50, 64)
    expected, _ = layer(values, values, values, need_weights=False)
    found, weights = PackedAttention(layer)(values, values, values, need_weights=False, attn_mask=None)
    assert weights is None
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


@torch.inference_mode()
def test_every_layer_inside_is_replaced() -> None:
    module = nn.Sequential(nn.Linear(8, 8), nn.Sequential(nn.GELU(), nn.Linear(8, 4))).eval()
    values = torch.randn(5, 8)
    expected = module(values)
    pack(module)
    assert not any(isinstance(layer, nn.Linear) for layer in module.modules())
    torch.testing.assert_close(module(values), expected, atol=1e-5, rtol=1e-4)
