"""What a model takes and gives, and the metadata documents that tell a client so."""

from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from server.oip.datatypes import BYTES, NUMERIC

SERVER_NAME = "clip-bakeoff"

# As Triton spells them, and only those that the server on 8002 serves.
EXTENSIONS = ("model_configuration", "binary_tensor_data", "parameters", "statistics")


@dataclass(frozen=True)
class TensorSpec:
    """One input or output.

    Attributes:
        name: as clients call it.
        datatype: of the protocol, e.g. `UINT8`.
        shape: with the batch first; -1 is any size.

    Raises:
        ValueError: a datatype that is not served, or no batch dimension.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        if self.datatype != BYTES and self.datatype not in NUMERIC:
            raise ValueError(
                f"datatype {self.datatype} of tensor {self.name} is not one of {', '.join(NUMERIC)}, {BYTES}"
            )
        if self.shape[:1] != (-1,):
            raise ValueError(f"shape {self.shape} of tensor {self.name} does not start with the batch, -1")


@dataclass(frozen=True)
class ModelSpec:
    """A model as the protocol describes it.

    Attributes:
        name, versions, platform: as in the metadata; the last version answers.
        inputs, outputs: its tensors.
        max_batch_size: most items in one request.

    Raises:
        ValueError: an output of datatype BYTES, which cannot be encoded here.
    """

    name: str
    versions: tuple[str, ...]
    platform: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    max_batch_size: int

    def __post_init__(self) -> None:
        for tensor in self.outputs:
            if tensor.datatype == BYTES:
                raise ValueError(f"output {tensor.name} of model {self.name} is {BYTES}; only numbers can be encoded")


def metadata(spec: ModelSpec) -> dict[str, Any]:
    """Return the answer of `GET /v2/models/<name>`."""
    return {
        "name": spec.name,
        "versions": list(spec.versions),
        "platform": spec.platform,
        "inputs": [_tensor_metadata(tensor) for tensor in spec.inputs],
        "outputs": [_tensor_metadata(tensor) for tensor in spec.outputs],
    }


def server_metadata() -> dict[str, Any]:
    """Return the answer of `GET /v2`."""
    return {"name": SERVER_NAME, "version": version("clip-bakeoff"), "extensions": list(EXTENSIONS)}


def _tensor_metadata(tensor: TensorSpec) -> dict[str, Any]:
    return {"name": tensor.name, "datatype": tensor.datatype, "shape": list(tensor.shape)}
