"""`bakeoff export`: make sure that the model's files are there, whole and up to date.

Apart from the making itself (`export.py`, which imports torch), so that a start with everything in place is quick.
An image has them baked in (`BAKED_MODEL`); they are used where they lie.
"""

import importlib.metadata
import logging
from collections.abc import Callable, Iterable
from pathlib import Path

from filelock import FileLock

from server import hardware
from server.files import TEMPORARY, sha256
from server.images.bundled import bundled_photos
from server.model import artifacts
from server.model.artifacts import Artifact, GraphPrecision, ModelArtifacts
from server.model.hub import hub_answers
from server.settings import Home, Settings

OPSET = 17
"""TensorRT 8.6, in older Triton images, reads no more than this; everything newer reads it too."""

MODULE = Path(__file__).with_name("module.py")
"""What is exported: another graph than last time's is exported again."""

RECIPE_PACKAGES = ("torch", "open_clip_torch", "onnx", "onnxscript", "pillow")
"""Packages whose version may change what the export contains."""

SAFETENSORS_TEMPORARY = ".tmp*"
"""Beside a file that safetensors 0.8 writes."""

log = logging.getLogger("bakeoff.export")

Progress = Callable[[str], None]


def ensure_model(settings: Settings, progress: Progress, *, for_any_device: bool = False) -> ModelArtifacts:
    """Make what is missing, damaged or out of date of the model's files, and return their description.

    Several processes may call this at once; one works and the others wait for it.

    Args:
        for_any_device: export every precision, not only what this machine computes: for an image, which is built
            without the GPU that it will run on.

    Raises:
        ModelError: the weights cannot be had, or the exported graph does not agree with PyTorch.
        OSError: the folder cannot be written, or the disk is full; nothing half-written is left.
    """
    home = settings.home
    home.root.mkdir(parents=True, exist_ok=True)
    with FileLock(home.root / "export.lock"):
        recipe = _recipe(settings)
        precisions = _precisions(settings, for_any_device)
        known = artifacts.read(settings)
        if known and _fits(known, recipe, precisions, settings):
            progress(f"model: {known.source} weights, as exported before")
            return known
        baked = artifacts.read_baked(settings)
        if baked and _fits(baked, recipe, precisions, settings):
            progress(f"model: {baked.source} weights, baked into the image")
            artifacts.write(baked, settings)
            return baked
        from server.model.export import make  # imports torch, which takes seconds

        _remove_strays(home)
        made = make(settings, recipe, precisions, progress)
        artifacts.write(made, settings)
        return made


def exported(settings: Settings) -> ModelArtifacts | None:
    """Return the model that was exported for these settings and is described here or in the image; None where none was.

    Whether its files are still whole is left to `ensure_model`, which reads them all.

    Raises:
        SettingsError: this machine cannot run what the settings ask for.
    """
    recipe, precisions = _recipe(settings), _precisions(settings, for_any_device=False)
    known = (artifacts.read(settings), artifacts.read_baked(settings))
    return next((model for model in known if model and _made_for(model, recipe, precisions)), None)


def repair_model(settings: Settings, needed: Callable[[ModelArtifacts], Iterable[Artifact]]) -> ModelArtifacts:
    """Return the exported model, made again if what a program is about to read has been lost or damaged since the start.

    Unlike `ensure_model` it keeps what is whole, however it was made: the other programs run with it.

    Args:
        needed: returns the files to look at.

    Raises:
        ModelError: it has to be made again and cannot be.
        OSError: the folder cannot be written, or the disk is full.
    """
    known = artifacts.read(settings)
    if known and all(artifact.intact(settings.home) for artifact in needed(known)):
        return known
    log.warning("the model's files are missing or damaged, and are made again")
    return ensure_model(settings, log.info)


def _remove_strays(home: Home) -> None:
    """Remove what an export left behind that was killed: as much as the file that it was writing."""
    for folder in (home.weights, home.onnx):
        for stray in (*folder.glob(TEMPORARY), *folder.glob(SAFETENSORS_TEMPORARY)):
            stray.unlink()


def _precisions(settings: Settings, for_any_device: bool) -> tuple[GraphPrecision, ...]:
    return ("fp32", "fp16") if for_any_device or hardware.resolve(settings).device == "cuda" else ("fp32",)


def _fits(
    known: ModelArtifacts, recipe: dict[str, str], precisions: tuple[GraphPrecision, ...], settings: Settings
) -> bool:
    # Random weights that stand in for a tag are a makeshift: look each time whether the tag can be had by now.
    makeshift_ends = known.note is not None and (settings.pretrained_fallback == "none" or hub_answers())
    return _made_for(known, recipe, precisions) and not makeshift_ends and _intact(known, settings)


def _made_for(known: ModelArtifacts, recipe: dict[str, str], precisions: tuple[GraphPrecision, ...]) -> bool:
    return recipe.items() <= known.recipe.items() and set(precisions) <= set(known.onnx)


def _recipe(settings: Settings) -> dict[str, str]:
    photos = ",".join(f"{photo.name}:{sha256(photo)[:12]}" for photo in bundled_photos())
    # Another file under the same path is another model; one that is gone leaves what was made of it.
    file = settings.checkpoint
    checkpoint = {"checkpoint": sha256(file)} if file and file.is_file() else {}
    return {
        "pretrained": settings.pretrained,
        **checkpoint,
        "quick_gelu": str(settings.quick_gelu),
        "opset": str(OPSET),
        "module": sha256(MODULE)[:12],
        "photos": photos,
        **{package: importlib.metadata.version(package) for package in RECIPE_PACKAGES},
    }


def _intact(known: ModelArtifacts, settings: Settings) -> bool:
    for artifact in (known.weights, known.reference, *known.onnx.values()):
        if not artifact.intact(settings.home):
            log.warning("%s is missing or damaged; the model is exported again", artifact.path)
            return False
    return True
