"""What differs between the Tritons, by what computes in them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from server.hardware import Hardware
from server.model.artifacts import onnx_file
from server.settings import Settings
from server.tensorrt import current
from server.triton import tensorrt_backend


@dataclass(frozen=True)
class Runtime:
    """What one Triton runs.

    Attributes:
        unavailable_reason: returns why this machine cannot run it, for a person; None when it can.
        model_file: returns the pixel model's file; None when the gate puts it in place once the Triton is alive.
        exits_on_error: whether a Triton that cannot load its models ends.
    """

    unavailable_reason: Callable[[Hardware], str | None]
    model_file: Callable[[Settings], Path | None]
    exits_on_error: bool


def _served_plan(settings: Settings) -> Path | None:
    plan = current.get(settings)
    return plan.path if plan else None  # before the first build


RUNTIMES = {
    "onnx": Runtime(lambda _: None, onnx_file, exits_on_error=True),
    "tensorrt": Runtime(tensorrt_backend.unavailable_reason, _served_plan, exits_on_error=False),
}
