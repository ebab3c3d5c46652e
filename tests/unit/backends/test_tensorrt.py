"""How the gate gets TensorRT's engine in place, and what it makes of every way in which that fails."""

from pathlib import Path
from typing import Any

import pytest

from server.backend_addresses import addresses
from server.backends import tensorrt
from server.backends.client import BackendError
from server.backends.interface import Hopeless, Stopping
from server.backends.tensorrt import TensorRTBackend
from server.hardware import Hardware
from server.model.artifacts import Artifact, ModelArtifacts
from server.processes import supervisor
from server.settings import Settings
from server.tensorrt import current
from server.tensorrt.builder_process import BuildCancelled, BuildFailed
from server.tensorrt.cache import PLAN, Manifest, PlanCache, PlanFile
from server.triton.repository import render, values
from server.triton.tensorrt_backend import VersionMismatch
from tests.unit.tensorrt.test_cache import DESCRIPTION, IDENTITY

GPU = Hardware("cuda", "fp16", "gpu", threads=2, http_workers=1, decode_workers=3, warmup_max_batch=16, gpus=())
FILE = Artifact(path="onnx/model.onnx", size=1, sha256="0" * 64)
MODEL = ModelArtifacts(
    pretrained="random", source="random", note=None, recipe={}, quick_gelu=False, weights=FILE, reference=FILE,
    onnx={"fp16": FILE},
)  # fmt: skip


class Triton:
    """Stands in for the client; `has` are the models that Triton found by itself."""

    def __init__(self, *has: str) -> None:
        self.has = set(has)
        self.loaded: list[str] = []

    def model_ready(self, model: str) -> bool:
        return model in self.has

    def load(self, model: str) -> None:
        self.loaded.append(model)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    found = Settings(bakeoff_home=tmp_path)
    render("tensorrt", found.home.repositories / "tensorrt", values(found, GPU), None)
    return found


@pytest.fixture
def kept(settings: Settings) -> PlanFile:
    cache = PlanCache(settings.home.engines)
    folder = cache.folder(IDENTITY.key)
    folder.mkdir(parents=True)
    (folder / PLAN).write_bytes(b"plan")
    return cache.keep(IDENTITY, DESCRIPTION, "2026-01-01T00:00:00+00:00")


def prepare(settings: Settings, triton: Triton, model: ModelArtifacts = MODEL) -> list[tuple[float, str]]:
    reports: list[tuple[float, str]] = []
    backend = TensorRTBackend(addresses(settings)["tensorrt"], settings, GPU, model)
    backend.prepare(triton, lambda *report: reports.append(report))  # type: ignore[arg-type]
    return reports


def outcome(monkeypatch: pytest.MonkeyPatch, result: PlanFile | Exception) -> None:
    def ensure(*_: object) -> PlanFile:
        if isinstance(result, Exception):
            raise result
        return result

    monkeypatch.setattr(tensorrt, "ensure_plan", ensure)
    monkeypatch.setattr(tensorrt.tensorrt_backend, "check_versions", lambda _installation: None)


def test_the_engine_is_put_in_place_and_both_models_are_loaded(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, kept: PlanFile
) -> None:
    outcome(monkeypatch, kept)
    triton = Triton()
    assert prepare(settings, triton)[-1] == (1.0, "loading the engine")
    assert triton.loaded == ["openclip_vit_b32", "openclip_vit_b32_encoded"]
    placed = settings.home.repositories / "tensorrt" / "openclip_vit_b32" / "1" / "model.plan"
    assert placed.read_bytes() == b"plan"
    assert current.get(settings) == kept


def test_what_triton_found_by_itself_is_not_loaded_again(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, kept: PlanFile
) -> None:
    outcome(monkeypatch, kept)
    triton = Triton("openclip_vit_b32", "openclip_vit_b32_encoded")
    prepare(settings, triton)
    assert triton.loaded == []


@pytest.mark.parametrize(
    ("problem", "raised"),
    [
        (BuildFailed("the end of build.log: no"), Hopeless),
        (VersionMismatch("10.3 and 10.4"), Hopeless),
        (OSError(28, "No space left on device"), OSError),
        (BuildCancelled("stopped"), Stopping),
        (BackendError("refused"), BackendError),
    ],
)
def test_every_failure_is_told_as_what_it_is(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, problem: Exception, raised: type[Exception]
) -> None:
    outcome(monkeypatch, problem)
    with pytest.raises(raised) as caught:
        prepare(settings, Triton())
    assert raised is Stopping or str(problem) in str(caught.value)


def test_a_missing_export_says_how_to_make_it(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    outcome(monkeypatch, OSError())
    with pytest.raises(Hopeless, match="no FP16 export; run `bakeoff export` again"):
        prepare(settings, Triton(), MODEL.model_copy(update={"onnx": {}}))


def test_no_engine_is_served_before_the_gate_has_chosen_one(settings: Settings, kept: PlanFile) -> None:
    assert current.get(settings) is None


def test_a_restarted_triton_is_not_given_a_damaged_engine(settings: Settings, kept: PlanFile) -> None:
    current.put(settings, kept.manifest.key)
    kept.path.write_bytes(b"plum")
    assert current.get(settings) is None


def test_a_new_start_of_the_stack_chooses_anew(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, kept: PlanFile
) -> None:
    current.put(settings, kept.manifest.key)
    monkeypatch.setattr(supervisor, "load_settings", lambda: settings)
    monkeypatch.setattr(supervisor.supervisord, "main", lambda _arguments: None)
    monkeypatch.setattr(supervisor.os, "environ", {})
    supervisor.main()
    assert current.get(settings) is None


def test_the_manifest_says_what_was_built(kept: PlanFile) -> None:
    manifest: dict[str, Any] = Manifest.model_validate_json(
        kept.path.with_name("manifest.json").read_bytes()
    ).model_dump()
    assert set(manifest) == {
        "key", "identity", "tensors", "layers", "build_seconds", "built_at", "size", "sha256",
    }  # fmt: skip
