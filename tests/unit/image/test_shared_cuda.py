"""Which of torch's CUDA libraries the base's own may stand in for."""

from pathlib import Path

import pytest

from image import shared_cuda


@pytest.fixture
def base(tmp_path: Path) -> dict[str, Path]:
    """Libraries as NVIDIA's packages lay them out: the soname is a link to a file with the whole version."""
    found = {}
    for soname, file in [
        ("libcublas.so.13", "libcublas.so.13.4.1.3"),
        ("libcublasLt.so.13", "libcublasLt.so.13.4.1.3"),
        ("libcudnn.so.9", "libcudnn.so.9.20.0"),
        ("libodd.so.1", "libodd.so.1"),
    ]:
        (tmp_path / file).touch()
        if soname != file:
            (tmp_path / soname).symlink_to(file)
        found[soname] = tmp_path / soname
    return found


def wheel(names: list[str], base: dict[str, Path]) -> dict[Path, Path | None]:
    return {Path("site-packages/nvidia/lib") / name: base.get(name) for name in names}


@pytest.mark.parametrize(
    ("version", "names", "words"),
    [
        ("13.4.1.3", ["libcublas.so.13", "libcublasLt.so.13"], None),
        ("13.1.0.3", ["libcublas.so.13", "libcublasLt.so.13"], None),
        ("13.5.0.1", ["libcublas.so.13", "libcublasLt.so.13"], "libcublas.so.13.4.1.3 is older"),
        ("13.4.1.3", ["libcublas.so.13", "libnvblas.so.13"], "the base has no libnvblas.so.13"),
        ("9.20.0.48", ["libcudnn.so.9"], None),
        ("9.26.0.51", ["libcudnn.so.9"], "libcudnn.so.9.20.0 is older"),
        ("1.0", ["libodd.so.1"], "cannot be told"),
    ],
)
def test_all_of_a_wheel_or_none(version: str, names: list[str], words: str | None, base: dict[str, Path]) -> None:
    problem = shared_cuda.objection(version, wheel(names, base))
    assert (words is None and problem is None) or (words and words in str(problem))


def test_the_loaders_list() -> None:
    listing = (
        "2 libs found in cache\n"
        "\tlibcudnn.so.9 (libc6,x86-64) => /usr/lib/x86_64-linux-gnu/libcudnn.so.9\n"
        "\tlibcudnn.so.9 (libc6,x86-64) => /somewhere/later/libcudnn.so.9\n"
        "\tlibz.so.1 (libc6) => /lib32/libz.so.1\n"
    )
    assert shared_cuda.parse_cache(listing) == {"libcudnn.so.9": Path("/usr/lib/x86_64-linux-gnu/libcudnn.so.9")}


def test_a_wheels_libraries_become_links(tmp_path: Path, monkeypatch, capsys, base: dict[str, Path]) -> None:
    site = tmp_path / "site"
    library = site / "nvidia" / "cublas" / "lib" / "libcublas.so.13"
    library.parent.mkdir(parents=True)
    library.write_bytes(b"x" * 2_000_000)
    information = site / "nvidia_cublas-13.1.0.3.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: nvidia-cublas\nVersion: 13.1.0.3\n")
    (information / "RECORD").write_text("nvidia/cublas/lib/libcublas.so.13,,\n")
    monkeypatch.setattr(shared_cuda, "parse_cache", lambda _listing: base)
    shared_cuda.main(site)
    assert library.readlink() == base["libcublas.so.13"]
    assert "saved 2 MB" in capsys.readouterr().out
