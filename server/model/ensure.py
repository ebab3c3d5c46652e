"""`bakeoff export`: make sure that the model's files are there, whole and up to date.

Apart from the making itself (`export.py`, which imports torch), so that a start with everything in place is quick.
An image has them baked in (`BAKED_MODEL`); they are used where they lie.
"""

import logging
from collections.abc import Callable, Iterable

from filelock import FileLock

from server import hardware
from server.files import TEMPORARY
from server.home import Home
from server.model import artifacts
from server.model.artifacts import Artifact, GraphPrecision, ModelArtifacts
from server.model.hub import hub_answers
from server.model.recipe import recipe
from server.settings import Settings

SAFETENSORS_TEMPORARY = ".tmp*"
"""Beside a file that safetensors 0.8 writes."""

log = logging.getLogger("bakeoff.export")


def ensure_model(
    settings: Settings, progress: Callable[[str], None], *, for_any_device: bool = False
) -> ModelArtifacts:
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
        wanted = recipe(settings)
        precisions = _precisions(settings, for_any_device)
        known = artifacts.read(settings)
        if known and _fits(known, wanted, precisions, settings):
            progress(f"model: {known.source} weights, as exported before")
            return known
        baked = artifacts.read_baked(settings)
        if baked and _fits(baked, wanted, precisions, settings):
            progress(f"model: {baked.source} weights, baked into the image")
            artifacts.write(baked, settings)
            return baked
        from server.model.export import make  # imports torch, which takes seconds

        _remove_strays(home)
        made = make(settings, wanted, precisions, progress)
        artifacts.write(made, settings)
        return made


def exported(settings: Settings) -> ModelArtifacts | None:
    """Return the model that was exported for these settings and is described here or in the image; None where none was.

    Whether its files are still whole is left to `ensure_model`, which reads them all.

    Raises:
        SettingsError: this machine cannot run what the settings ask for.
    """
    wanted, precisions = recipe(settings), _precisions(settings, for_any_device=False)
    known = (artifacts.read(settings), artifacts.read_baked(settings))
    return next((model for model in known if model and _made_for(model, wanted, precisions)), None)


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
    known: ModelArtifacts, wanted: dict[str, str], precisions: tuple[GraphPrecision, ...], settings: Settings
) -> bool:
    # Random weights that stand in for a tag are a makeshift: look each time whether the tag can be had by now.
    makeshift_ends = known.note is not None and (settings.pretrained_fallback == "none" or hub_answers())
    return _made_for(known, wanted, precisions) and not makeshift_ends and _intact(known, settings)


def _made_for(known: ModelArtifacts, wanted: dict[str, str], precisions: tuple[GraphPrecision, ...]) -> bool:
    return wanted.items() <= known.recipe.items() and set(precisions) <= set(known.onnx)


def _intact(known: ModelArtifacts, settings: Settings) -> bool:
    for artifact in (known.weights, known.reference, *known.onnx.values()):
        if not artifact.intact(settings.home):
            log.warning("%s is missing or damaged; the model is exported again", artifact.path)
            return False
    return True
