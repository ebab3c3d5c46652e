"""From its start to `ready`: every step of a backend's way, in order, over a real connection, and every way off it."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, get_args

import pytest

from server.backend_addresses import BackendAddress, addresses
from server.backends.client import BackendClient, BackendError
from server.backends.interface import Backend, Hopeless, Report
from server.backends.pytorch import PyTorchBackend
from server.backends.triton import TritonBackend
from server.gate import driver as module
from server.gate.board import Board
from server.gate.checks import warmup_sizes
from server.gate.driver import Driver
from server.hardware import Hardware
from server.oip.spec import ENCODED_MODEL, PIXEL_MODEL
from server.readiness import State, read_document
from server.setting_types import BackendName, Precision
from server.settings import Settings
from tests.doubles.backend_double import BackendDouble, listening, photos

PHOTOS = 7
LARGEST = 4
"""Verified in batches of this size, the last of which is smaller."""

WARMED = 3
REFERENCE = photos(PHOTOS)

pytestmark = pytest.mark.timeout(60)  # a gate that never ends its way

BOTH_READY = [f"ready of {PIXEL_MODEL}", f"ready of {ENCODED_MODEL}"]
WARMING = [f"{model} x {size}" for size in warmup_sizes(WARMED) for model in (PIXEL_MODEL, ENCODED_MODEL)]
VERIFYING = [f"{model} x {size}" for model in (PIXEL_MODEL, ENCODED_MODEL) for size in (LARGEST, PHOTOS - LARGEST)]

NEAR = 0.0005
"""Added to each element, an error of 0.008 of the spread: within the bound of FP16, not within that of FP32."""


class SeenBoard(Board):
    """A board that writes the states among the questions; `at` says what is done in which, at a settled one to stop the gate."""

    def __init__(self, path: Path, backend: BackendAddress, double: BackendDouble, stop: Callable[[], None]) -> None:
        super().__init__(path, {}, [backend])
        self.at: dict[State, Callable[[], None]] = {"ready": stop, "failed": stop, "skipped": stop}
        self.progress: list[float] = []
        self._double = double

    def enter(self, name: str, state: State, reason: str | None = None) -> None:
        super().enter(name, state, reason)
        self._double.asked.append(state)
        self.at.get(state, lambda: None)()

    def update(self, name: str, *, progress: float | None = None, **rest: Any) -> None:
        super().update(name, progress=progress, **rest)
        if progress is not None:
            self.progress.append(progress)


class FakeProcesses:
    """Of models; `ended` says whether one has."""

    def __init__(self) -> None:
        self.ended = False

    def one_has_ended(self) -> bool:
        return self.ended


class Gate:
    """One driver's surroundings."""

    def __init__(self, folder: Path, double: BackendDouble, killed: list[str]) -> None:
        self.double = double
        self.killed = killed
        self.processes: list[FakeProcesses] = []
        self.stopping = threading.Event()
        self.settings = Settings(
            bakeoff_home=folder, max_batch_size=LARGEST, probe_interval_s=0.01, canary_interval_s=0.01, api_key="secret"
        )
        self._file = folder / "ready.json"
        self._name: BackendName = "onnx"

    def driver(
        self,
        name: BackendName = "onnx",
        precision: Precision = "fp32",
        decode: Literal["gpu", "cpu"] = "cpu",
        kind: Callable[[BackendAddress], Backend] | None = None,
    ) -> Driver:
        self._name = name
        address = replace(addresses(self.settings)[name], http_port=self.double.port)
        self.board = SeenBoard(self._file, address, self.double, self.stopping.set)
        hardware = Hardware("cpu", precision, decode, 1, 1, 1, WARMED, ())
        if kind is None:
            kind = partial(PyTorchBackend, hardware=hardware) if name == "pytorch" else TritonBackend
        backend = kind(address)
        backend.stopping = self.stopping
        return Driver(backend, self.board, self.settings, hardware, REFERENCE)

    @property
    def entry(self) -> dict[str, Any]:
        """What `/ready` says of the backend."""
        found: dict[str, Any] = read_document(self._file)["backends"][self._name]
        return found

    @property
    def states(self) -> list[str]:
        return [event for event in self.double.asked if event in get_args(State)]


@pytest.fixture
def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    killed: list[str] = []
    with listening(BackendDouble(REFERENCE)) as double:
        made = Gate(tmp_path, double, killed)

        def look_for(program: str) -> FakeProcesses:
            double.asked.append(f"processes of {program}")
            made.processes.append(FakeProcesses())
            return made.processes[-1]

        monkeypatch.setattr(module, "ModelProcesses", look_for)
        monkeypatch.setattr(module, "kill_program", lambda name: killed.append(name) or True)
        monkeypatch.setattr(module, "RETRY_S", 0.0)
        yield made


class Prepared(TritonBackend):
    """Takes note that it was prepared; `problem` says how that ends."""

    def __init__(
        self,
        address: BackendAddress,
        double: BackendDouble,
        problem: Exception | None = None,
        unavailable: str | None = None,
    ) -> None:
        super().__init__(address)
        self._double = double
        self._problem = problem
        self._unavailable = unavailable

    def unavailable_reason(self) -> str | None:
        return self._unavailable

    def prepare(self, client: BackendClient, report: Report) -> None:
        report(0.5, "timing kernels")
        client.model_ready(PIXEL_MODEL)
        report(0.6, "timing more kernels")
        self._double.asked.append("prepared")
        if self._problem:
            raise self._problem


def test_every_step_is_taken_in_order_and_nothing_else_is_asked(gate: Gate) -> None:
    gate.driver().run()
    assert gate.double.asked == [
        "starting", "live",
        "loading", *BOTH_READY, "processes of triton-onnx",
        "warming", *WARMING,
        "verifying", *VERIFYING,
        "ready",
    ]  # fmt: skip
    assert gate.killed == []
    assert gate.double.keys == {"Bearer secret"}


def test_what_a_backend_needs_besides_is_done_once_it_lives_and_before_its_models_are_waited_for(gate: Gate) -> None:
    gate.driver("tensorrt", kind=partial(Prepared, double=gate.double)).run()
    assert gate.double.asked[: gate.double.asked.index("warming")] == [
        "starting", "live",
        "loading",
        "compiling", f"ready of {PIXEL_MODEL}", "prepared", *BOTH_READY, "processes of triton-tensorrt",
    ]  # fmt: skip
    assert gate.states[-3:] == ["warming", "verifying", "ready"]


def test_nothing_more_is_asked_before_it_lives_and_both_its_models_are_ready(gate: Gate) -> None:
    gate.double.unwell = {"live": 1, f"ready of {PIXEL_MODEL}": 1, f"ready of {ENCODED_MODEL}": 1}
    gate.driver().run()
    assert gate.double.asked[: gate.double.asked.index("processes of triton-onnx")] == [
        "starting", "live", "live", "loading", f"ready of {PIXEL_MODEL}", *BOTH_READY, *BOTH_READY,
    ]  # fmt: skip


def test_what_was_found_is_published_with_the_bounds_it_was_held_to(gate: Gate) -> None:
    gate.double.off[ENCODED_MODEL] = 1e-5
    gate.driver().run()
    parity = gate.entry["parity"]
    assert parity["pixels"] == {"error": 0, "error_bound": 0.001, "cosine": pytest.approx(1)}
    assert 0 < parity["encoded"]["error"] < parity["encoded"]["error_bound"] == 0.001


def test_the_share_of_the_images_that_were_warmed_is_told(gate: Gate) -> None:
    gate.driver().run()
    assert gate.board.progress == pytest.approx([1 / 6, 3 / 6, 1.0])


@pytest.mark.parametrize("model", [PIXEL_MODEL, ENCODED_MODEL])
def test_one_that_disagrees_is_not_ready_until_it_agrees(gate: Gate, model: str) -> None:
    driver = gate.driver()
    reasons: list[str] = []

    def heal() -> None:
        reasons.append(gate.entry["reason"])
        gate.double.off[model] = 0.0

    gate.double.off[model] = 0.01
    gate.board.at["failed"] = heal
    driver.run()
    way = ["starting", "loading", "warming", "verifying"]
    assert gate.states == [*way, "failed", *way, "ready"]
    assert "not those of the FP32 PyTorch reference" in reasons[0]
    assert gate.killed == []


def test_one_that_answers_with_errors_is_not_ready_until_it_answers_right(gate: Gate) -> None:
    driver = gate.driver()
    reasons: list[str] = []

    def heal() -> None:
        reasons.append(gate.entry["reason"])
        gate.double.error = None

    gate.double.error = "CUDA failure 719"
    gate.board.at["failed"] = heal
    driver.run()
    way = ["starting", "loading", "warming"]
    assert gate.states == [*way, "failed", *way, "verifying", "ready"]
    assert reasons == [f"{PIXEL_MODEL}, batch of 1: [500] CUDA failure 719"]


@pytest.mark.parametrize("ended", [True, False])
def test_one_whose_model_lost_a_process_while_it_was_warmed_is_killed_before_it_is_tried_again(
    gate: Gate, ended: bool
) -> None:
    driver = gate.driver()

    def heal() -> None:
        gate.processes[0].ended = ended
        gate.double.error = None

    gate.double.error = "Stub process is not healthy"
    gate.board.at["failed"] = heal
    driver.run()
    assert gate.states[-1] == "ready"
    assert gate.killed == ["triton-onnx"] * ended


@pytest.mark.parametrize(
    ("name", "decode", "model", "state"),
    [
        ("pytorch", "gpu", ENCODED_MODEL, "ready"),
        ("pytorch", "gpu", PIXEL_MODEL, "failed"),
        ("pytorch", "cpu", ENCODED_MODEL, "failed"),
        ("onnx", "gpu", ENCODED_MODEL, "failed"),
        ("onnx", "cpu", PIXEL_MODEL, "failed"),
    ],
)
def test_the_wider_bound_is_for_photos_that_a_gpu_has_decoded_alone(
    gate: Gate, name: BackendName, decode: Literal["gpu", "cpu"], model: str, state: State
) -> None:
    gate.double.off[model] = NEAR
    gate.driver(name, decode=decode).run()
    assert gate.states[-2:] == ["verifying", state]


class Again:
    """Has a backend lose its model once it is ready, and the gate stop when it is ready, or has failed, once more."""

    def __init__(self, gate: Gate, pids: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
        left = iter(pids)
        monkeypatch.setattr(module, "find_program", lambda _: SimpleNamespace(pid=next(left)))
        self._gate = gate
        self.driver = gate.driver("pytorch")
        gate.board.at["ready"] = self.lose_the_model

    def lose_the_model(self) -> None:
        self._gate.board.at["ready"] = self._gate.stopping.set
        self._gate.double.asked.clear()
        self._gate.double.unwell = {f"ready of {PIXEL_MODEL}": 3}


RELOADED = ["starting", "loading", "verifying", "ready"]


def test_a_server_that_stayed_and_loaded_its_model_again_is_verified_by_one_photo(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = Again(gate, [7, 7], monkeypatch)
    again.driver.run()
    assert gate.states == RELOADED
    verified = gate.double.asked[gate.double.asked.index("verifying") + 1 :]
    assert verified == [f"{PIXEL_MODEL} x 1", f"{ENCODED_MODEL} x 1", "ready"]
    assert gate.entry["parity"]["pixels"] == {"error": 0, "error_bound": 0.001, "cosine": pytest.approx(1)}
    assert gate.killed == []


def test_another_server_than_the_one_that_was_verified_goes_the_whole_way(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = Again(gate, [7, 8], monkeypatch)
    again.driver.run()
    assert gate.states == ["starting", "loading", "warming", "verifying", "ready"]


def test_a_model_that_is_another_one_after_it_was_loaded_again_is_the_server_s_end(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = Again(gate, [7, 7, 8], monkeypatch)

    def harm() -> None:
        again.lose_the_model()
        gate.double.off[ENCODED_MODEL] = 0.01

    def heal() -> None:
        assert gate.killed == ["pytorch"]
        assert "embedding of encoded is not that of the FP32 PyTorch reference" in gate.entry["reason"]
        gate.double.off[ENCODED_MODEL] = 0.0

    gate.board.at["ready"] = harm
    gate.board.at["failed"] = heal
    again.driver.run()
    assert gate.states == [*RELOADED[:-1], "failed", "starting", "loading", "warming", "verifying", "ready"]


def test_one_whose_answers_become_wrong_is_killed_and_begins_anew(gate: Gate) -> None:
    driver = gate.driver()

    def spoil() -> None:
        gate.double.off[ENCODED_MODEL] = NEAR
        gate.board.at = {"starting": heal, "ready": gate.stopping.set, "failed": gate.stopping.set}

    def heal() -> None:
        assert "embedding of encoded is not that of the FP32 PyTorch reference" in gate.entry["reason"]
        gate.double.off[ENCODED_MODEL] = 0.0

    gate.board.at["ready"] = spoil
    driver.run()
    way = ["starting", "loading", "warming", "verifying", "ready"]
    assert gate.states == way * 2
    assert gate.killed == ["triton-onnx"]


def test_one_whose_photos_a_gpu_decodes_is_watched_with_the_bound_it_was_verified_with(gate: Gate) -> None:
    driver = gate.driver("pytorch", decode="gpu")

    def differ() -> None:
        gate.double.off[ENCODED_MODEL] = NEAR
        gate.board.at["ready"] = gate.stopping.set

    def stop_after_two_photos(_: str) -> None:
        watched = gate.double.asked[gate.double.asked.index("ready") :] if "ready" in gate.double.asked else []
        if watched.count(f"{PIXEL_MODEL} x 1") > 2:  # the one before was found right
            gate.stopping.set()

    gate.board.at["ready"] = differ
    gate.double.heard = stop_after_two_photos
    driver.run()
    assert gate.states == ["starting", "loading", "warming", "verifying", "ready"]
    assert gate.killed == []


def test_a_machine_that_cannot_run_a_backend_says_why_and_asks_nothing_of_it(gate: Gate) -> None:
    driver = gate.driver("tensorrt", kind=partial(Prepared, double=gate.double, unavailable="no GPU"))
    del gate.board.at["skipped"]  # it ends by itself
    driver.run()
    assert gate.double.asked == ["skipped"]
    assert gate.entry["reason"] == "no GPU"


@pytest.mark.parametrize(
    ("problem", "said", "again"),
    [
        (Hopeless("no engine can be built"), "no engine can be built", False),
        (BackendError("Triton cannot load it"), "Triton cannot load it", True),
        (OSError(28, "No space left on device"), "No space left on device", True),
        (ZeroDivisionError("of nobody's thinking"), "unexpected error: ZeroDivisionError", True),
    ],
    ids=["hopeless", "refused", "disk", "unforeseen"],
)
def test_a_preparation_that_fails_is_tried_again_unless_there_is_no_hope(
    gate: Gate, problem: Exception, said: str, again: bool
) -> None:
    driver = gate.driver("tensorrt", kind=partial(Prepared, double=gate.double, problem=problem))
    failures: list[str] = []

    def note() -> None:
        failures.append(gate.entry["reason"])
        if len(failures) == 2:
            gate.stopping.set()

    gate.board.at["failed"] = note
    driver.run()
    assert len(failures) == (2 if again else 1)
    assert said in failures[0]
    assert gate.states == ["starting", "loading", "compiling", "failed"] * len(failures)


def test_a_stop_while_it_is_warmed_ends_that_and_is_no_failure(gate: Gate) -> None:
    driver = gate.driver()
    gate.board.at["warming"] = gate.stopping.set
    driver.run()
    assert gate.double.asked[gate.double.asked.index("warming") :] == ["warming", *WARMING[:2]]


def test_the_time_to_load_begins_after_a_long_preparation(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now))

    def take_long(question: str) -> None:
        nonlocal now
        if question == f"ready of {PIXEL_MODEL}" and not now:  # asked by the preparation
            now = gate.settings.load_timeout_s + 1
            gate.double.unwell = {f"ready of {ENCODED_MODEL}": 1}

    gate.double.heard = take_long
    gate.driver("tensorrt", kind=partial(Prepared, double=gate.double)).run()
    assert gate.states[-1] == "ready"
    assert gate.killed == []
