"""What is installed is what was looked at: exact versions, from a registry, with a hash."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCK = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def requirements() -> list[str]:
    groups = [*PROJECT["project"]["optional-dependencies"].values(), *PROJECT["dependency-groups"].values()]
    return [*PROJECT["project"]["dependencies"], *(one for group in groups for one in group)]


def test_every_requirement_is_exact() -> None:
    assert len(requirements()) > 30
    assert [one for one in requirements() if not re.fullmatch(r"[\w.-]+(\[[\w,]+\])?==[\w.]+", one)] == []


def test_every_package_comes_from_a_registry_with_its_hash() -> None:
    packages = [package for package in LOCK["package"] if package["name"] != PROJECT["project"]["name"]]
    assert len(packages) > 100
    for package in packages:
        assert set(package["source"]) == {"registry"}, package["name"]
        for artifact in [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]:
            assert re.fullmatch(r"sha256:[0-9a-f]{64}", artifact["hash"]), package["name"]
