"""Rows that pad a batch up to a CUDA graph's size cannot reach a real row: no operation of the model looks across rows."""

import numpy as np
import torch

from server.model.module import load_module
from tests.unit.tensorrt.conftest import Home16

REAL, GRAPH = 3, 4


def test_no_real_row_depends_on_an_idle_one(home: Home16) -> None:
    module = load_module(home.root / "visual.safetensors", quick_gelu=False)
    pixels = torch.randint(0, 256, (GRAPH, 3, 224, 224), generator=torch.Generator().manual_seed(0)).float()
    pixels.requires_grad_()
    embeddings = module(pixels)
    weights = torch.linspace(1, 2, embeddings.shape[1])  # any but the embedding itself, along which its length is fixed
    (gradient,) = torch.autograd.grad((embeddings[:REAL] * weights).sum(), pixels)
    assert torch.count_nonzero(gradient[REAL:]) == 0
    assert all(torch.count_nonzero(row) > 1000 for row in gradient[:REAL])


def test_whatever_idle_rows_hold_real_rows_are_the_same_bit_for_bit(home: Home16) -> None:
    module = load_module(home.root / "visual.safetensors", quick_gelu=False)
    rng = np.random.default_rng(0)
    batch = rng.integers(0, 256, (GRAPH, 3, 224, 224), dtype=np.uint8)
    with torch.inference_mode():
        first = module(torch.from_numpy(batch))[:REAL]
        batch[REAL:] = rng.integers(0, 256, batch[REAL:].shape)
        assert torch.equal(module(torch.from_numpy(batch))[:REAL], first)
