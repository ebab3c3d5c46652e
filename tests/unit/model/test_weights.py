"""Weights from every source; the download itself is the only step that is replaced."""

from pathlib import Path

import open_clip
import pytest
import torch
from safetensors.torch import save_file

from server.files import sha256
from server.model import weights
from server.model.artifacts import ModelError
from server.model.module import load_module
from server.settings import Settings


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole open_clip checkpoint, both towers, as a download would bring it."""
    torch.manual_seed(7)
    path = tmp_path_factory.mktemp("checkpoint") / "open_clip_model.safetensors"
    save_file(open_clip.create_model("ViT-B-32").state_dict(), path)
    return path


@pytest.fixture
def online(monkeypatch: pytest.MonkeyPatch, checkpoint: Path) -> None:
    monkeypatch.setattr(weights, "hub_answers", lambda: True)
    monkeypatch.setattr(weights, "download_pretrained", lambda _config: str(checkpoint))


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_config: dict[str, object]) -> str:
        raise FileNotFoundError("not in the cache")

    monkeypatch.setattr(weights, "hub_answers", lambda: False)
    monkeypatch.setattr(weights, "stay_offline", lambda: None)
    monkeypatch.setattr(weights, "download_pretrained", fail)


def test_a_checkpoint_file(checkpoint: Path) -> None:
    found = weights.resolve_weights(Settings(pretrained=str(checkpoint), quick_gelu=True))
    assert (found.source, found.note, found.quick_gelu) == (checkpoint.name, None, True)
    assert found.visual["conv1.weight"].shape == (768, 3, 32, 32)


@pytest.mark.usefixtures("online")
@pytest.mark.parametrize(("tag", "quick_gelu"), [("openai", True), ("laion2b_s34b_b79k", False)])
def test_a_tag_brings_its_own_activation(tag: str, quick_gelu: bool, tmp_path: Path) -> None:
    found = weights.resolve_weights(Settings(pretrained=tag))
    assert (found.source, found.note, found.quick_gelu) == (tag, None, quick_gelu)
    save_file(found.visual, tmp_path / "visual.safetensors")
    module = load_module(tmp_path / "visual.safetensors", quick_gelu=quick_gelu)
    activations = {type(layer).__name__ for layer in module.modules() if "GELU" in type(layer).__name__}
    assert activations == {"QuickGELU" if quick_gelu else "GELU"}


def test_a_damaged_download_is_not_used(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "hub_answers", lambda: True)
    blob = tmp_path / sha256(checkpoint)  # the hub's cache: a link to a file named by its content
    link = tmp_path / "open_clip_model.safetensors"
    monkeypatch.setattr(weights, "download_pretrained", lambda _config: str(link))
    link.symlink_to(blob)
    blob.write_bytes(checkpoint.read_bytes())
    assert weights.resolve_weights(Settings(pretrained="openai")).source == "openai"
    with blob.open("r+b") as file:
        file.seek(1_000_000)
        file.write(b"damage")
    with pytest.raises(ModelError, match=r"is damaged.*delete it"):
        weights.resolve_weights(Settings(pretrained="openai"))


def test_random_is_the_same_every_time_and_leaves_the_generator_alone() -> None:
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    first = weights.resolve_weights(Settings(pretrained="random")).visual
    assert torch.equal(torch.rand(1), expected)
    second = weights.resolve_weights(Settings(pretrained="random")).visual
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.usefixtures("offline")
def test_without_a_network_the_fallback_is_used_and_said() -> None:
    found = weights.resolve_weights(Settings(pretrained="openai", pretrained_fallback="random"))
    assert found.source == "random"
    assert found.note is not None
    assert found.note.startswith("the weights of 'openai' could not be downloaded (")
    assert "random weights" not in found.note  # what follows from it is said once, by whoever shows it


@pytest.mark.usefixtures("offline")
def test_without_a_network_and_a_fallback_it_stops() -> None:
    with pytest.raises(ModelError, match=r"could not be downloaded .* set PRETRAINED to a local checkpoint"):
        weights.resolve_weights(Settings(pretrained="openai"))


@pytest.mark.parametrize(
    ("pretrained", "words"),
    [("imagenet21k", "not a tag of ViT-B-32; take one of .*openai"), ("/no/such/file.pt", "no such file")],
)
def test_a_wrong_source_is_named(pretrained: str, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        weights.resolve_weights(Settings(pretrained=pretrained))


def test_a_file_that_is_no_checkpoint_is_named(tmp_path: Path) -> None:
    path = tmp_path / "holiday.safetensors"
    path.write_bytes(b"not a checkpoint at all")
    with pytest.raises(ModelError, match=r"not a checkpoint of ViT-B-32"):
        weights.resolve_weights(Settings(pretrained=str(path)))
