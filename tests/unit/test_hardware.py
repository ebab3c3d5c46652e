"""What `auto` means on each kind of machine, and what is refused there."""

import pytest

from server import hardware
from server.hardware import Gpu, resolve
from server.settings import Settings, SettingsError

GPU = Gpu(0, "GPU-0", "NVIDIA H200", (9, 0), 150 << 30, 150 << 30, "580.1")


@pytest.fixture
def on_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "gpus", lambda: (GPU,))
    monkeypatch.setattr(hardware, "available_cores", lambda: 16)


@pytest.fixture
def on_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "gpus", lambda: ())
    monkeypatch.setattr(hardware, "available_cores", lambda: 2)
    monkeypatch.setattr(hardware, "cpu_computes_bf16", lambda: True)


def test_a_gpu_computes_fp16_and_decodes(on_gpu: None) -> None:
    found = resolve(Settings())
    assert (found.device, found.precision, found.decode, found.http_workers) == ("cuda", "fp16", "gpu", 8)
    assert resolve(Settings(decode="cpu")).decode == "cpu"
    assert resolve(Settings(http_workers=3)).http_workers == 3


def test_a_cpu_computes_what_all_backends_can(on_cpu: None) -> None:
    found = resolve(Settings())
    assert (found.device, found.precision, found.decode, found.http_workers) == ("cpu", "fp32", "cpu", 1)


def test_bf16_on_a_cpu_where_pytorch_is_alone_and_the_processor_has_it(
    on_cpu: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = Settings(backends=("pytorch",))
    assert resolve(alone).precision == "bf16"
    monkeypatch.setattr(hardware, "cpu_computes_bf16", lambda: False)
    assert resolve(alone).precision == "fp32"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"precision": "fp16"}, "PRECISION='fp16': needs a GPU"),
        ({"precision": "tf32"}, "PRECISION='tf32': needs a GPU"),
        ({"precision": "bf16"}, "PRECISION='bf16': only the PyTorch server"),
        ({"decode": "gpu"}, "DECODE='gpu': needs a GPU"),
        ({"device": "cuda"}, "DEVICE='cuda': needs an NVIDIA GPU, and the driver reports none"),
    ],
)
def test_what_a_cpu_cannot_do_is_refused(on_cpu: None, given: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        resolve(Settings(**given))  # type: ignore[arg-type]
