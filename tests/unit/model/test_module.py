"""The patch embedding against the convolution that it stands for."""

import pytest
import torch
from torch import nn

from server.model.module import PatchEmbedding


@pytest.mark.parametrize("batch", [1, 3])
def test_the_patch_embedding_is_the_convolution(batch: int) -> None:
    torch.manual_seed(0)
    convolution = nn.Conv2d(3, 768, kernel_size=32, stride=32, bias=False)
    pixels = torch.randn(batch, 3, 224, 224)
    with torch.inference_mode():
        expected = convolution(pixels)
        found = PatchEmbedding(convolution)(pixels)
    assert found.shape == (batch, 768, 7, 7)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_rows_and_columns_are_not_mixed_up() -> None:
    convolution = nn.Conv2d(1, 2, kernel_size=4, stride=4, bias=False)
    pixels = torch.randn(1, 1, 8, 12)
    with torch.inference_mode():
        torch.testing.assert_close(PatchEmbedding(convolution)(pixels), convolution(pixels))


def test_saved_weights_keep_their_names() -> None:
    convolution = nn.Conv2d(3, 8, kernel_size=2, stride=2, bias=False)
    assert set(PatchEmbedding(convolution).state_dict()) == set(convolution.state_dict())
