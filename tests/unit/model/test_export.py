"""What the export says when it cannot write."""

import resource
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from server.model.export import written

LIMIT = 1 << 16


@pytest.mark.parametrize(
    "write",
    [lambda path: save_file({"some": torch.zeros(LIMIT)}, path), lambda path: path.write_bytes(bytes(2 * LIMIT))],
)
def test_what_cannot_be_written_is_named_with_what_to_do(tmp_path: Path, write) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, before[1]))
    try:
        with (
            pytest.raises(OSError, match=r"weights cannot be written: .*File too large.*; free some space"),
            written(tmp_path / "weights") as temporary,
        ):
            write(temporary)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []
