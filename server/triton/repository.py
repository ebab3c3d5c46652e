"""Rendering a model repository: the templates of the source tree, this machine's values, the model's file."""

import shutil
from pathlib import Path
from string import Template

from server.hardware import Hardware
from server.home import ROOT
from server.settings import Settings

TEMPLATES = ROOT / "model_repository"
COMMON = "common"


def values(settings: Settings, hardware: Hardware) -> dict[str, str]:
    """Return what the placeholders in the `config.pbtxt` files stand for."""
    return {
        "MAX_BATCH_SIZE": str(settings.max_batch_size),
        "BATCH_DELAY_US": str(settings.batch_delay_us),
        "KIND": "KIND_GPU" if hardware.device == "cuda" else "KIND_CPU",
        "THREADS": str(hardware.threads),
        "DECODE_WORKERS": str(hardware.decode_workers),
        "MAX_PIXELS": str(int(settings.max_megapixels * 1e6)),
        "PRECISION": hardware.precision,
    }


def render(name: str, target: Path, substitutions: dict[str, str], model_file: Path | None) -> Path:
    """Make the repository `name` from its own templates and the common ones.

    Args:
        name: a folder under `model_repository/`.
        target: where to make it; replaced as a whole.
        substitutions: what the placeholders stand for; every placeholder must have a value.
        model_file: the pixel model's file, linked as version 1; None when something else puts it there later.

    Raises:
        OSError: the folder cannot be written.
        KeyError: a template has a placeholder without a value.
    """
    shutil.rmtree(target, ignore_errors=True)
    for source in (TEMPLATES / COMMON, TEMPLATES / name):
        for file in sorted(path for path in source.rglob("*") if path.is_file() and "__pycache__" not in path.parts):
            rendered = target / file.relative_to(source)
            rendered.parent.mkdir(parents=True, exist_ok=True)
            if file.suffix == ".pbtxt":
                rendered.write_text(
                    Template(file.read_text(encoding="utf-8")).substitute(substitutions), encoding="utf-8"
                )
            else:
                shutil.copyfile(file, rendered)
    for model in target.iterdir():
        (model / "1").mkdir(exist_ok=True)  # Triton wants a version folder even of an ensemble
    if model_file is not None:
        (target / "openclip_vit_b32" / "1" / f"model{model_file.suffix}").symlink_to(model_file)
    return target
