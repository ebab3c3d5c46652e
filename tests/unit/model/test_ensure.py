"""The model's files are made once, and again when they are damaged or out of date."""

from collections.abc import Callable
from pathlib import Path

import pytest

from server.files import atomic_file
from server.model import artifacts, ensure, export, recipe
from server.model.artifacts import Artifact, ModelArtifacts, ModelError
from server.settings import Settings


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replace the making, which takes half a minute, by three small files; return what was made."""
    log: list[str] = []

    def make(
        settings: Settings,
        recipe: dict[str, str],
        precisions: tuple[artifacts.GraphPrecision, ...],
        _progress: Callable[[str], None],
    ) -> ModelArtifacts:
        log.append(settings.pretrained)
        files = {}
        for name in ("visual.safetensors", "model.onnx", "reference.npz"):
            file = settings.home.root / name
            file.write_bytes(name.encode())
            files[name] = Artifact.of(file, settings.home)
        offline = settings.pretrained == "openai"
        return ModelArtifacts(
            pretrained=settings.pretrained,
            source="random",
            note="could not be downloaded" if offline else None,
            recipe=recipe,
            quick_gelu=False,
            weights=files["visual.safetensors"],
            onnx=dict.fromkeys(precisions, files["model.onnx"]),
            reference=files["reference.npz"],
        )

    monkeypatch.setattr(export, "make", make)
    return log


def run(home: Path, *, for_any_device: bool = False, **settings: object) -> ModelArtifacts:
    return ensure.ensure_model(
        Settings(bakeoff_home=home, **{"pretrained": "random", **settings}),
        lambda _line: None,
        for_any_device=for_any_device,
    )


def test_the_second_time_nothing_is_made(made: list[str], tmp_path: Path) -> None:
    assert run(tmp_path) == run(tmp_path)
    assert made == ["random"]


@pytest.mark.parametrize("name", ["visual.safetensors", "model.onnx", "reference.npz", "model.json"])
@pytest.mark.parametrize("damage", ["deleted", "truncated", "changed"])
def test_damage_is_found_and_mended(made: list[str], tmp_path: Path, name: str, damage: str) -> None:
    whole = run(tmp_path)
    file = tmp_path / name
    if damage == "deleted":
        file.unlink()
    elif damage == "truncated":
        file.write_bytes(file.read_bytes()[:-1])
    else:
        file.write_bytes(b"?" + file.read_bytes()[1:])
    assert run(tmp_path) == whole
    assert len(made) == 2


def test_what_a_killed_export_left_behind_is_removed(made: list[str], tmp_path: Path) -> None:
    home = Settings(bakeoff_home=tmp_path).home
    home.weights.mkdir()
    for name in ("first", "second"):
        with pytest.raises(KeyboardInterrupt), atomic_file(home.weights / "visual.safetensors") as temporary:
            raise KeyboardInterrupt
        temporary.write_text(name)  # as if the process had been killed
    (home.weights / ".tmprfwGLe").touch()
    run(tmp_path)
    assert list(home.weights.iterdir()) == []


def test_another_choice_is_another_export(made: list[str], tmp_path: Path) -> None:
    run(tmp_path)
    run(tmp_path, quick_gelu=True)
    assert len(made) == 2


def test_another_checkpoint_under_the_same_path_is_another_export(made: list[str], tmp_path: Path) -> None:
    checkpoint = tmp_path / "my.pt"
    for content in (b"first", b"first", b"second"):
        checkpoint.write_bytes(content)
        run(tmp_path / "home", pretrained=str(checkpoint))
    assert len(made) == 2
    checkpoint.unlink()
    run(tmp_path / "home", pretrained=str(checkpoint))
    assert len(made) == 2


def test_exported_is_only_what_was_exported_for_these_settings(made: list[str], tmp_path: Path) -> None:
    model = run(tmp_path / "image", for_any_device=True)
    run(tmp_path / "volume")

    def found(**settings: object) -> str | None:
        known = ensure.exported(Settings(**{"bakeoff_home": tmp_path / "volume", "pretrained": "random", **settings}))
        return known and known.pretrained

    assert found() == "random"
    assert found(pretrained="openai") is None
    assert found(quick_gelu=True) is None
    assert found(bakeoff_home=tmp_path / "new") is None
    assert found(bakeoff_home=tmp_path / "new", baked_model=tmp_path / "image") == model.pretrained
    assert found(bakeoff_home=tmp_path / "new", baked_model=tmp_path / "image", pretrained="openai") is None


def test_another_graph_is_another_export(made: list[str], tmp_path: Path, monkeypatch) -> None:
    run(tmp_path)
    changed = tmp_path / "module.py"
    changed.write_text("another")
    monkeypatch.setattr(recipe, "MODULE", changed)
    run(tmp_path)
    assert len(made) == 2


def test_a_makeshift_is_kept_until_the_hub_answers(made: list[str], tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(ensure, "hub_answers", lambda: False)
    run(tmp_path, pretrained="openai", pretrained_fallback="random")
    run(tmp_path, pretrained="openai", pretrained_fallback="random")
    assert made == ["openai"]
    monkeypatch.setattr(ensure, "hub_answers", lambda: True)
    run(tmp_path, pretrained="openai", pretrained_fallback="random")
    assert made == ["openai", "openai"]


def test_a_makeshift_is_not_kept_where_none_is_allowed(made: list[str], tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(ensure, "hub_answers", lambda: False)
    run(tmp_path, pretrained="openai", pretrained_fallback="random")
    run(tmp_path, pretrained="openai")
    assert made == ["openai", "openai"]


def test_a_baked_model_is_used_where_it_lies(made: list[str], tmp_path: Path) -> None:
    baked = run(tmp_path / "image", for_any_device=True)
    assert set(baked.onnx) == {"fp16", "fp32"}
    settings = Settings(bakeoff_home=tmp_path / "volume", baked_model=tmp_path / "image", pretrained="random")
    found = run(settings.bakeoff_home, baked_model=settings.baked_model)
    assert made == ["random"]
    assert found == artifacts.require(settings)
    assert settings.home.root / found.weights.path == tmp_path / "image" / baked.weights.path
    assert artifacts.onnx_file(settings).is_relative_to(tmp_path / "image")


@pytest.mark.parametrize("change", ["other weights", "damaged"])
def test_a_baked_model_that_does_not_fit_is_not_used(made: list[str], tmp_path: Path, change: str) -> None:
    baked = run(tmp_path / "image", for_any_device=True)
    if change == "damaged":
        (tmp_path / "image" / baked.weights.path).write_bytes(b"")
    wanted = "random" if change == "damaged" else "laion2b_s34b_b79k"
    found = run(tmp_path / "volume", baked_model=tmp_path / "image", pretrained=wanted)
    assert made == ["random", wanted]
    assert (tmp_path / "volume" / found.weights.path).is_relative_to(tmp_path / "volume")


def test_an_upgraded_image_is_noticed_on_a_kept_volume(made: list[str], tmp_path: Path) -> None:
    run(tmp_path / "image", for_any_device=True)
    run(tmp_path / "volume", baked_model=tmp_path / "image")
    (tmp_path / "new").mkdir()
    for file in (tmp_path / "image").iterdir():
        file.rename(tmp_path / "new" / file.name)
    found = run(tmp_path / "volume", baked_model=tmp_path / "new")
    assert made == ["random"]
    assert Path(found.weights.path).is_relative_to(tmp_path / "new")


def test_what_needs_the_model_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="run `bakeoff export` first"):
        artifacts.require(Settings(bakeoff_home=tmp_path))


@pytest.mark.usefixtures("made")
def test_a_note_of_an_earlier_version_is_its_reason_alone(tmp_path: Path) -> None:
    kept = run(tmp_path).model_dump() | {"note": f"could not be downloaded; {artifacts.STAND_IN}"}
    assert ModelArtifacts.model_validate(kept).note == "could not be downloaded"
