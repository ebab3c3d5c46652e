import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.errors import BenchError
from bench.photos import load_photos


def save(folder: Path, name: str, size: tuple[int, int] = (300, 260), mode: str = "RGB") -> Path:
    noise = np.random.default_rng(len(name)).integers(0, 256, (size[1], size[0], 3), np.uint8)
    path = folder / name
    Image.fromarray(noise).convert(mode).save(path)
    return path


def test_photos_come_in_the_order_of_their_names_with_bytes_and_pixels(tmp_path: Path) -> None:
    for name in ("c.webp", "a.JPG", "b.png"):
        save(tmp_path, name)
    (tmp_path / "notes.txt").write_text("no photo")
    (tmp_path / ".hidden.jpg").write_text("no photo")
    (tmp_path / "folder.jpg").mkdir()
    found = load_photos(tmp_path, 100)
    assert [photo.name for photo in found.photos] == ["a.JPG", "b.png", "c.webp"]
    assert found.photos[0].data == (tmp_path / "a.JPG").read_bytes()
    assert {(photo.pixels.shape, photo.pixels.dtype.name) for photo in found.photos} == {((3, 224, 224), "uint8")}


@pytest.mark.parametrize("size", [(640, 480), (333, 500), (224, 224), (100, 77), (1000, 225)])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_pixels_equal_open_clip_s_preprocessing(tmp_path: Path, size: tuple[int, int], mode: str) -> None:
    transforms = pytest.importorskip("torchvision.transforms")
    path = save(tmp_path, "photo.jpg", size, mode)
    reference = transforms.Compose(
        [transforms.Resize(224, transforms.InterpolationMode.BICUBIC), transforms.CenterCrop(224)]
    )
    with Image.open(path) as image:
        expected = np.asarray(reference(image).convert("RGB")).transpose(2, 0, 1)
    assert np.array_equal(load_photos(tmp_path, 1).photos[0].pixels, expected)


def test_of_a_large_folder_photos_are_taken_at_even_distances(tmp_path: Path) -> None:
    for i in range(9):
        save(tmp_path, f"{i}.png", (8, 8))
    found = load_photos(tmp_path, 3)
    assert ([photo.name for photo in found.photos], found.found) == (["0.png", "3.png", "6.png"], 9)


def test_a_rotation_goes_around(tmp_path: Path) -> None:
    for name in "abc":
        save(tmp_path, f"{name}.png", (8, 8))
    rotation = load_photos(tmp_path, 9).rotation(start=5, count=5)
    assert [photo.name[0] for photo in rotation] == ["c", "a", "b", "c", "a"]


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="is not a folder"):
        load_photos(tmp_path / "none", 9)


def test_a_folder_without_photos(tmp_path: Path) -> None:
    (tmp_path / "a.txt").touch()
    with pytest.raises(BenchError, match=r"holds no \.jpg"):
        load_photos(tmp_path, 9)


def test_files_that_cannot_be_read_are_left_out_and_named(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg", "c.png"):
        save(tmp_path, name)
    damaged = tmp_path / "b.jpg"
    damaged.write_bytes(damaged.read_bytes()[:400])
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "a.jpg")
    found = load_photos(tmp_path, 9)
    assert [photo.name for photo in found.photos] == ["a.jpg", "c.png", "loop.jpg"]
    assert found.found == 5
    left_out = {each.name: each.reason for each in found.left_out}
    assert list(left_out) == ["b.jpg", "empty.jpg"]
    assert left_out["b.jpg"].startswith("cannot be read as a photo (")
    assert left_out["empty.jpg"] == "cannot be read as a photo (0 bytes of no known format)"


def test_a_folder_without_any_readable_photo_names_the_first(tmp_path: Path) -> None:
    for name in ("b.jpg", "a.jpg"):
        (tmp_path / name).write_bytes(b"no image")
    with pytest.raises(
        BenchError, match=r"no photo that can be read; the first, a\.jpg, cannot be read as a photo \(8 bytes"
    ):
        load_photos(tmp_path, 9)


def test_a_name_that_is_no_text_can_be_written_down(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.png")
    save(tmp_path, "a.png").rename(path)
    (photo,) = load_photos(tmp_path, 9).photos
    assert photo.name == r"caf\xe9.png"
    photo.name.encode()
