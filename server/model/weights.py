"""Where the weights come from: an open_clip tag, a checkpoint file, or a seeded random initialisation."""

import re
from dataclasses import dataclass
from pathlib import Path

import open_clip
import torch
from open_clip.pretrained import download_pretrained, get_pretrained_cfg, list_pretrained_tags_by_model
from torch import Tensor

from server.files import sha256
from server.model.artifacts import ModelError
from server.model.hub import hub_answers, stay_offline
from server.model.module import ARCHITECTURE
from server.model.recipe import checkpoint
from server.settings import Settings

RANDOM = "random"
SHA256 = re.compile(r"[0-9a-f]{64}")
RANDOM_SEED = 20_24_06_30


@dataclass(frozen=True)
class Weights:
    """A visual tower's state on the CPU in FP32, and where it came from."""

    source: str
    note: str | None
    quick_gelu: bool
    visual: dict[str, Tensor]


def resolve_weights(settings: Settings) -> Weights:
    """Return the weights that `PRETRAINED` asks for, or its stated fallback.

    Raises:
        ModelError: the tag is unknown, or cannot be downloaded and no fallback is allowed; the file is missing or is
            not a checkpoint of this architecture.
    """
    wanted = settings.pretrained
    if wanted == RANDOM:
        return _random(note=None)
    if file := checkpoint(settings):
        return _from_file(file, settings.quick_gelu)
    if wanted not in list_pretrained_tags_by_model(ARCHITECTURE):
        tags = ", ".join(list_pretrained_tags_by_model(ARCHITECTURE))
        raise ModelError(f"PRETRAINED={wanted!r}: not a tag of {ARCHITECTURE}; take one of {tags}, a path, or `random`")
    reachable = hub_answers()
    if not reachable:
        stay_offline()
    try:
        return _from_tag(wanted)
    except (OSError, RuntimeError) as error:
        cause = (
            _first_line(error) if reachable else "the model hub does not answer, and they are not in its local cache"
        )
        reason = f"the weights of {wanted!r} could not be downloaded ({cause})"
        if settings.pretrained_fallback == "none":
            raise ModelError(
                f"{reason}; check the network, set PRETRAINED to a local checkpoint, or set PRETRAINED=random to try "
                "the machinery with embeddings that mean nothing"
            ) from error
        return _random(note=reason)


def _from_tag(tag: str) -> Weights:
    config = get_pretrained_cfg(ARCHITECTURE, tag)
    quick_gelu = bool(config.get("quick_gelu", False))
    checkpoint = Path(download_pretrained(config))
    _check_download(checkpoint)
    return Weights(tag, None, quick_gelu, _load(checkpoint, quick_gelu))


def _check_download(checkpoint: Path) -> None:
    """Compare a download with its checksum: the hub's cache names every large file by its SHA-256.

    Raises:
        ModelError: it is damaged.
    """
    blob = checkpoint.resolve()
    if SHA256.fullmatch(blob.name) and sha256(blob) != blob.name:
        raise ModelError(
            f"{blob} is damaged: its content is not what its name, its SHA-256, says; delete it and try again"
        )


def _from_file(path: Path, quick_gelu: bool) -> Weights:
    if not path.is_file():
        raise ModelError(f"PRETRAINED={str(path)!r}: no such file; give the path of an open_clip checkpoint, or a tag")
    try:
        return Weights(path.name, None, quick_gelu, _load(path, quick_gelu))
    except Exception as error:  # torch and safetensors raise many kinds for a file that is not a checkpoint
        raise ModelError(
            f"PRETRAINED={str(path)!r}: not a checkpoint of {ARCHITECTURE} ({_first_line(error)})"
        ) from error


def _load(checkpoint: Path, quick_gelu: bool) -> dict[str, Tensor]:
    model = open_clip.create_model(ARCHITECTURE, pretrained=str(checkpoint), force_quick_gelu=quick_gelu)
    return _visual_state(model)


def _random(note: str | None) -> Weights:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(RANDOM_SEED)
        model = open_clip.create_model(ARCHITECTURE)
    return Weights(RANDOM, note, False, _visual_state(model))


def _visual_state(model: torch.nn.Module) -> dict[str, Tensor]:
    visual = model.get_submodule("visual")
    return {name: value.detach().float().contiguous() for name, value in visual.state_dict().items()}


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
