"""What `bakeoff export` has made, described by one document that every process reads."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from server import hardware
from server.files import sha256, write_atomic
from server.home import Home
from server.setting_types import Precision
from server.settings import Settings

DOCUMENT = "model.json"

GraphPrecision = Literal["fp16", "fp32"]
"""Of the weights in an exported graph; TF32 is computed with the FP32 graph."""

STAND_IN = "random weights stand in for them: speeds are real, embeddings mean nothing"
"""What follows from a `note`, in words, where it stands alone."""


def graph_precision(precision: Precision) -> GraphPrecision:
    """Return the precision of the graph that is computed with `precision`."""
    return "fp16" if precision == "fp16" else "fp32"


class ModelError(RuntimeError):
    """The model is missing or cannot be made; the message says what to do."""


class Artifact(BaseModel):
    """A file: its path, relative to `BAKEOFF_HOME` or absolute, its size in bytes and its SHA-256."""

    model_config = ConfigDict(frozen=True)

    path: str
    size: int
    sha256: str

    @classmethod
    def of(cls, file: Path, home: Home) -> "Artifact":
        """Describe an existing file."""
        return cls(path=str(file.relative_to(home.root)), size=file.stat().st_size, sha256=sha256(file))

    def intact(self, home: Home) -> bool:
        """Tell whether the file is there with the same content."""
        file = home.root / self.path
        return file.is_file() and file.stat().st_size == self.size and sha256(file) == self.sha256


class ModelArtifacts(BaseModel):
    """The exported model.

    Attributes:
        pretrained: what was asked for (`PRETRAINED`).
        source: what was used: the tag, the checkpoint's file name, or `random`.
        note: why `source` is not what was asked for, or None.
        recipe: versions and choices that decided the content; a change makes the export again.
        quick_gelu: the activation that the weights were trained with.
        weights: the visual tower's state, safetensors.
        onnx: the exported graphs by precision.
        reference: FP32 PyTorch embeddings of the probe photos.
    """

    model_config = ConfigDict(frozen=True)

    pretrained: str
    source: str
    note: str | None
    recipe: dict[str, str]
    quick_gelu: bool
    weights: Artifact
    onnx: dict[GraphPrecision, Artifact]
    reference: Artifact

    @field_validator("note")
    @classmethod
    def _reason_alone(cls, note: str | None) -> str | None:
        """Read a document of an export before this version, whose note said what follows, too."""
        return note.removesuffix(f"; {STAND_IN}") if note else note

    @property
    def embeddings_meaningful(self) -> bool:
        """False for random weights: speeds are real, similarities are not."""
        return self.source != "random"


def document(home: Home) -> Path:
    """Return the path of the document."""
    return home.root / DOCUMENT


def read(settings: Settings) -> ModelArtifacts | None:
    """Return the document, or None when there is none, or it cannot be read (it is then made again)."""
    return _read(document(settings.home))


def read_baked(settings: Settings) -> ModelArtifacts | None:
    """Return the description of the model that the image has baked in, with absolute paths; None where there is none."""
    folder = settings.baked_model
    known = _read(folder / DOCUMENT) if folder else None
    if folder is None or known is None:
        return None

    def absolute(artifact: Artifact) -> Artifact:
        return artifact.model_copy(update={"path": str(folder / artifact.path)})

    return known.model_copy(
        update={
            "weights": absolute(known.weights),
            "reference": absolute(known.reference),
            "onnx": {precision: absolute(artifact) for precision, artifact in known.onnx.items()},
        }
    )


def _read(path: Path) -> ModelArtifacts | None:
    try:
        return ModelArtifacts.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def write(artifacts: ModelArtifacts, settings: Settings) -> None:
    """Make `artifacts` the current model."""
    write_atomic(document(settings.home), artifacts.model_dump_json(indent=1))


def require(settings: Settings) -> ModelArtifacts:
    """Return the current model.

    Raises:
        ModelError: nothing has been exported yet.
    """
    artifacts = read(settings)
    if artifacts is None:
        raise ModelError(f"no exported model in {settings.home.root}; run `bakeoff export` first")
    return artifacts


def onnx_file(settings: Settings) -> Path:
    """Return the ONNX file for the precision that the settings resolve to on this machine.

    Raises:
        ModelError: nothing has been exported for this precision.
    """
    precision = graph_precision(hardware.resolve(settings).precision)
    artifact = require(settings).onnx.get(precision)
    if artifact is None:
        raise ModelError(f"no {precision.upper()} export in {settings.home.root}; run `bakeoff export` again")
    return settings.home.root / artifact.path
