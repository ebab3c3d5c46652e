"""Starting the image in the ways that people do."""

from pathlib import Path

import httpx
import numpy as np
import open_clip
import pytest
import torch
from tritonclient.utils import InferenceServerException

from server.model.reference import Reference
from tests.image.podman import ROW_TOLERANCE, Container, podman, run_once

DALI = "/opt/tritonserver/backends/dali/wheel/dali"

pytestmark = pytest.mark.timeout(1800)


def test_it_was_never_healthy_before_it_was_ready(container: Container) -> None:
    samples = container.start
    assert samples[0].status == "starting"
    assert len(samples) > 3  # otherwise nobody has looked while it was not ready
    assert [sample.probe for sample in samples] == [False] * (len(samples) - 1) + [True]
    assert all(sample.ready == 200 for sample in samples if sample.probe)
    assert all(sample.status == "starting" for sample in samples[:-1])
    assert samples[-1].status == "healthy"
    assert "bakeoff: ready" in container.log().splitlines()


def test_no_process_is_root(container: Container) -> None:
    assert {process.uids().real for process in container.processes()} == {10001}


def test_extra_arguments_are_a_command(image: str) -> None:
    answer = run_once("bakeoff", "engine", "list")
    assert answer.returncode == 0, answer.stderr
    preflight = run_once("bakeoff", "preflight")
    assert preflight.returncode == 0, preflight.stdout
    assert "/opt/tritonserver/bin/tritonserver" in preflight.stdout


def test_no_program_sees_the_bases_pythonpath(container: Container) -> None:
    """NVIDIA's has DALI's folder in it; its numpy and others would be imported instead of ours."""
    assert podman("exec", container.name, "ls", f"{DALI}/numpy/__init__.py").returncode == 0
    paths = {process.environ().get("PYTHONPATH") for process in container.processes()}
    assert paths <= {"", None}
    assert "packages: numpy 1.26.4, " in container.log()


def test_a_pythonpath_that_is_set_by_hand_is_named(image: str) -> None:
    answer = run_once(options=("--env", f"PYTHONPATH={DALI}:"))
    assert answer.returncode == 1
    assert answer.stderr.splitlines()[-1] == (
        f"bakeoff: failed: numpy is imported from {DALI}/numpy, and not from this environment; "
        f"unset PYTHONPATH, which is {DALI}:"
    )


def test_a_wrong_setting_ends_it(image: str) -> None:
    answer = run_once(options=("--env", "MAX_BATCH_SIZE=0"))
    assert answer.returncode == 1
    assert "MAX_BATCH_SIZE='0'" in answer.stdout + answer.stderr


def test_a_volume_that_cannot_be_written_ends_it_with_the_remedy(image: str) -> None:
    answer = run_once(options=("--user", "54321:54321"))
    assert answer.returncode == 1
    assert "make the folder writable" in answer.stdout


def test_a_read_only_root_without_a_place_for_temporary_files_is_named(image: str) -> None:
    answer = run_once(options=("--read-only", "--read-only-tmpfs=false"))
    assert answer.returncode == 1
    assert "--tmpfs /tmp" in answer.stdout + answer.stderr


def test_a_read_only_root_and_any_uid(confined: Container, reference: Reference) -> None:
    assert {process.uids().real for process in confined.processes()} == {54321}
    assert np.abs(confined.embed(reference.files) - reference.embeddings).max() < ROW_TOLERANCE


def test_it_serves_without_a_capability_and_cannot_get_one(confined: Container) -> None:
    for process in confined.processes():
        status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii", errors="replace")
        found = dict(line.split(":\t", 1) for line in status.splitlines())
        rights = {
            name: int(found[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs")
        }
        assert rights == {**dict.fromkeys(rights, 0), "NoNewPrivs": 1}, process.cmdline()


def test_what_it_keeps_and_shares_is_for_its_user_only(container: Container) -> None:
    def find(*expression: str) -> list[str]:
        command = ("find", "/var/lib/bakeoff", "/dev/shm", "-mindepth", "1", *expression)
        return podman("exec", container.name, *command).stdout.splitlines()

    assert find("-path", "/dev/shm/bakeoff-onnx-8010-*")
    assert find("-name", "ready.json")
    assert find("-not", "-type", "l", "-perm", "/077") == []


def test_little_shared_memory_is_said_and_sized_for(confined: Container, reference: Reference) -> None:
    assert "/dev/shm has 64 MiB, which holds batches of up to 64 images" in confined.log()
    photos = (reference.files * 6)[:64]
    expected = np.concatenate([reference.embeddings] * 6)[:64]
    for _ in range(2):
        assert np.abs(confined.embed(photos) - expected).max() < ROW_TOLERANCE
    with pytest.raises(InferenceServerException, match="batch-size must be <= 64"):
        confined.embed([*photos, photos[0]])


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Other weights than the image's, as anybody trains them: both towers, in FP16."""
    torch.manual_seed(7)
    file = tmp_path_factory.mktemp("weights") / "other.pt"
    torch.save({name: value.half() for name, value in open_clip.create_model("ViT-B-32").state_dict().items()}, file)
    return file


def test_other_weights_are_exported_once_for_a_kept_volume(image: str, checkpoint: Path, reference: Reference) -> None:
    """With a GPU the first start would also compile."""
    podman("volume", "rm", "--force", "bakeoff-test", check=False)
    options = (
        "--volume", "bakeoff-test:/var/lib/bakeoff", "--volume", f"{checkpoint}:/weights/other.pt:ro",
        "--env", "PRETRAINED=/weights/other.pt", "--env", "BACKENDS=pytorch", "--env", "WARMUP_MAX_BATCH=2",
    )  # fmt: skip
    said = []
    try:
        for _ in range(2):
            running = Container.run("bakeoff-test-volume", 14_200, *options)
            try:
                # The last container's readiness lies in the volume, seconds old.
                assert not running.sample().probe
                running.wait(200)
                said.append(running.log())
                assert httpx.get(f"http://{running.url(8002)}/model-info").json()["source"] == "other.pt"
                assert np.abs(running.embed(reference.files, 8002) - reference.embeddings).max() > 100 * ROW_TOLERANCE
                podman("stop", "--time", "10", running.name)
            finally:
                running.remove()
    finally:
        podman("volume", "rm", "--force", "bakeoff-test", check=False)
    assert ["ONNX: exporting" in log for log in said] == [True, False]
    assert "not exported yet (what is there was made for PRETRAINED=random)" in said[0]
    assert "other.pt, exported" in said[1]


ON_A_GPU = """
import dataclasses
from pathlib import Path
from server import hardware
from server.model import artifacts, export
from server.model.reference import Reference
from server.settings import load_settings
settings = load_settings()
found = hardware.resolve(settings)
hardware.resolve = lambda _: dataclasses.replace(found, device="cuda")
model = artifacts.read_baked(settings)
export._check_graph(Path(model.onnx["fp16"].path), Reference.load(Path(model.reference.path)), "fp16", settings)
print("agrees")
"""


def test_where_there_is_a_gpu_its_onnx_runtime_for_cpus_checks_the_fp16_graph(image: str) -> None:
    """A GPU that is only claimed: the check crashed on its way to the one that the image's ONNX Runtime cannot use."""
    answer = run_once("python", "-c", ON_A_GPU, timeout=300)
    assert (answer.returncode, answer.stdout) == (0, "agrees\n"), answer.stderr
