"""What `make image` asks docker or podman for, with programs in their place that write it down."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
DOCKER = """#!/bin/sh
[ "$1" != info ] || {{ [ -z "$2" ] || echo '{store}'; exit 0; }}
echo "docker $*"
"""
PODMAN = """#!/bin/sh
[ "$1" != version ] || {{ echo {version}; exit 0; }}
[ "$1" != --runtime ] || shift 2
echo "podman $*"
"""
CONTAINERD = "[[driver-type io.containerd.snapshotter.v1]]"
OVERLAY2 = "[[Backing Filesystem extfs] [Supports d_type true]]"
ATTESTED = ["--sbom=true", "--provenance=mode=max"]


def built(folder: Path, **programs: str) -> "subprocess.CompletedProcess[str]":
    """Run the script where only `programs` build images."""
    for name, text in programs.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    environment = {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
    if "docker" not in programs:
        environment["CONTAINER_ENGINE"] = "podman"
    command = [ROOT / "scripts" / "image.sh", "me/image:tag", "--build-arg", "PRETRAINED=random"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)


def test_docker_attests_what_is_in_the_image_and_how_it_was_built(tmp_path: Path) -> None:
    done = built(tmp_path, docker=DOCKER.format(store=CONTAINERD))
    words = done.stdout.split()
    assert words[:4] == ["docker", "buildx", "build", "--load"]
    assert set(ATTESTED) <= set(words)
    assert "--build-arg PRETRAINED=random" in done.stdout


def test_an_image_store_that_keeps_no_attestations_gets_the_image_and_it_is_said(tmp_path: Path) -> None:
    done = built(tmp_path, docker=DOCKER.format(store=OVERLAY2))
    assert not set(ATTESTED) & set(done.stdout.split())
    assert "--load" in done.stdout
    assert "image: without attestations" in done.stderr


@pytest.mark.parametrize("version", ["4.3.1", "5.4.2"])
def test_podman_which_attests_nothing_is_not_asked_to_and_it_is_said(tmp_path: Path, version: str) -> None:
    done = built(tmp_path, podman=PODMAN.format(version=version))
    assert done.stdout.startswith("podman build --format docker ")
    assert not set(ATTESTED) & set(done.stdout.split())
    assert "image: without provenance" in done.stderr
