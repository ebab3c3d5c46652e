"""`bakeoff engine`: what a person sees."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import bakeoff.engine
from bakeoff.cli import app
from server.model import artifacts
from server.model.artifacts import Artifact, ModelArtifacts
from server.model.recipe import recipe
from server.settings import Settings
from server.tensorrt.builder_process import BuildFailed
from server.tensorrt.cache import LOG, PLAN, PlanCache, PlanFile
from tests.unit.tensorrt.test_cache import IDENTITY

LAYERS = [
    {"layer": "CONSTANT", "type": "HALF", "count": 93, "bytes": 170_884_616},
    {"layer": "REDUCE", "type": "FLOAT", "count": 1, "bytes": 0},
]
TENSORS = [{"name": "image", "mode": "input", "type": "UINT8", "shape": [-1, 3, 224, 224]}]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BAKEOFF_HOME", str(tmp_path))
    monkeypatch.setattr(bakeoff.engine.signal, "signal", lambda *_: None)
    return tmp_path


@pytest.fixture
def kept(home: Path) -> PlanFile:
    cache = PlanCache(home / "engines")
    folder = cache.folder(IDENTITY.key)
    folder.mkdir(parents=True)
    (folder / PLAN).write_bytes(b"p" * 1000)
    (folder / LOG).write_text("built")
    description = {"tensors": TENSORS, "layers": LAYERS, "seconds": 57.5}
    return cache.keep(IDENTITY, description, "2026-01-01T00:00:00+00:00")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["engine", *arguments])


def exported(home: Path) -> None:
    file = Artifact(path="model.onnx", size=1, sha256="0" * 64)
    settings = Settings(bakeoff_home=home)
    model = ModelArtifacts(
        pretrained="random", source="random", note=None, recipe=recipe(settings), quick_gelu=False, weights=file, reference=file,
        onnx={"fp32": file, "fp16": file},
    )  # fmt: skip
    artifacts.write(model, settings)


def test_build_prints_the_engine_and_where_it_is(kept: PlanFile, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exported(home)
    monkeypatch.setattr(bakeoff.engine, "ensure_plan", lambda *_: kept)
    answer = run("build")
    assert answer.exit_code == 0
    assert (
        f"{kept.manifest.key}: tensorrt 10.3.0, FP16, 0 MB, built 2026-01-01T00:00:00+00:00 in 57.5 s" in answer.stdout
    )
    assert str(kept.path) in answer.stdout


def test_a_failed_build_says_why(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> PlanFile:
        raise BuildFailed("TensorRT built no engine: out of GPU memory")

    exported(home)
    monkeypatch.setattr(bakeoff.engine, "ensure_plan", fail)
    answer = run("build")
    assert answer.exit_code == 1
    assert "bakeoff: failed: TensorRT built no engine: out of GPU memory" in answer.stderr


def test_build_without_a_model_says_how_to_make_it(home: Path) -> None:
    answer = run("build")
    assert answer.exit_code == 1
    assert "run `bakeoff export` first" in answer.stderr


def test_no_engine_is_built_for_a_model_of_other_weights(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exported(home)
    monkeypatch.setenv("PRETRAINED", "laion2b_s34b_b79k")
    answer = run("build")
    assert answer.exit_code == 1
    assert "no model has been exported for PRETRAINED=laion2b_s34b_b79k" in answer.stderr


@pytest.mark.parametrize("key", [[], [IDENTITY.key]])
def test_inspect_shows_tensors_profiles_and_layers(kept: PlanFile, key: list[str]) -> None:
    answer = run("inspect", *key)
    assert answer.exit_code == 0
    for words in ("image", "[-1, 3, 224, 224]", "tuned for", "constant", "170.9", "reduce"):
        assert words in answer.stdout


def test_inspect_of_what_is_not_there_fails(home: Path) -> None:
    answer = run("inspect", "0123456789abcdef")
    assert answer.exit_code == 1
    assert "no whole engine 0123456789abcdef is kept" in answer.stderr


def test_list_names_every_engine_in_full(kept: PlanFile) -> None:
    answer = run("list")
    assert kept.manifest.key in answer.stdout


def test_list_of_nothing_says_how_to_make_one(home: Path) -> None:
    assert "`bakeoff engine build` makes one" in run("list").stdout


def test_prune_keeps_what_fits_and_says_what_went(kept: PlanFile) -> None:
    assert "removed: nothing" in run("prune").stdout
    assert f"removed: {kept.manifest.key}" in run("prune", "--keep-gb", "0").stdout
    assert not kept.path.exists()
