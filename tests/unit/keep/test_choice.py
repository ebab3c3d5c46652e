"""A choice is taken whole or refused in one sentence, and then nothing is changed."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from bench.result import FILE
from server import kept
from server.keep import choice as module
from server.keep import results
from server.keep.choice import Choice, Refused
from server.kept import Kept
from server.readiness import Document
from server.setting_types import BACKEND_NAMES
from server.settings import Settings
from server.state import FOLDER, KEPT, KEPT_LOCK
from tests.unit.bench.report.synthetic import synthetic_result

RESULT = synthetic_result({"pytorch": 20.0, "onnx": 30.0}, gpu=False, batches=(2,))
WON = RESULT.model_copy(
    update={
        "local": True,
        "server_gpus": (),
        "machine": RESULT.machine.model_copy(update={"gpus": (), "cpu": "Our CPU"}),
        "summary": RESULT.summary.model_copy(update={"winner": "onnx", "decision": "Highest throughput: onnx."}),
    }
)


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "gpus", lambda: ())
    monkeypatch.setattr(results, "processor", lambda: "Our CPU")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(bakeoff_home=tmp_path / "home")


def running(**states: str) -> Document:
    """Return a readiness document."""
    found = {name: {"state": state, "reason": f"why {name} is so"} for name, state in states.items()}
    return {"ready": True, "model": dict(WON.model), "backends": found, "kept": None}


def run(folder: Path, **changes: Any) -> Path:
    """Write a run's result with some fields changed, and return its folder."""
    folder.mkdir(parents=True)
    (folder / FILE).write_text(WON.model_copy(update=changes).model_dump_json(), encoding="utf-8")
    return folder


def take(settings: Settings, choice: Choice, *, by: str, document: Document | None, folder: Path | None = None) -> Kept:
    """Take a choice on a machine without a GPU."""
    unavailable = {"tensorrt": "needs a GPU"}
    return module.take(settings, choice, by=by, document=document, unavailable=unavailable, folder=folder)


def refusal(settings: Settings, keep: str, document: Document | None, folder: Path | None = None) -> str:
    """Return why a choice is refused; what was kept before is left as it was."""
    before = kept.read(settings.bakeoff_home)
    with pytest.raises(Refused) as found:
        take(settings, Choice(keep=keep), by="ada@here", document=document, folder=folder)
    assert kept.read(settings.bakeoff_home) == before
    text = str(found.value)
    assert "\n" not in text
    return text


ALL_READY = running(pytorch="ready", onnx="ready", tensorrt="ready")


@pytest.mark.parametrize("name", BACKEND_NAMES)
def test_one_backend_is_kept_by_its_name(settings: Settings, name: str) -> None:
    made = take(settings, Choice(keep=name), by="ada@here", document=ALL_READY)
    assert made == kept.read(settings.bakeoff_home)
    assert (made.backends, made.by, made.result, made.sentence) == ((name,), "ada@here", None, None)


def test_all_are_kept_again(settings: Settings) -> None:
    assert take(settings, Choice(keep="all"), by="ada@here", document=ALL_READY).backends == BACKEND_NAMES


def test_who_asks_from_elsewhere_is_named_and_so_is_the_result(settings: Settings) -> None:
    asked = Choice(keep="onnx", by="bob@laptop", result="2026-11-28T01-00-00Z", sentence="It won.")
    made = take(settings, asked, by="the page", document=ALL_READY)
    assert (made.by, made.result, made.sentence) == ("bob@laptop", "2026-11-28T01-00-00Z", "It won.")


def test_the_winner_of_the_newest_result_is_kept_with_its_sentence(settings: Settings) -> None:
    run(settings.home.results / "2999-01-01T00-00-00Z", summary=WON.summary.model_copy(update={"winner": "pytorch"}))
    run(settings.home.results / "2999-01-02T00-00-00Z")
    made = take(settings, Choice(keep="winner"), by="ada@here", document=ALL_READY)
    assert (made.backends, made.result) == (("onnx",), "2999-01-02T00-00-00Z")
    assert made.sentence == "Highest throughput: onnx."


def test_a_name_may_rest_on_a_result_that_names_no_winner(settings: Settings, tmp_path: Path) -> None:
    undecided = WON.summary.model_copy(update={"winner": None, "decision": "A tie."})
    folder = run(tmp_path / "run", summary=undecided)
    made = take(settings, Choice(keep="pytorch"), by="ada@here", document=ALL_READY, folder=folder)
    assert (made.backends, made.result, made.sentence) == (("pytorch",), "run", "A tie.")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"summary": WON.summary.model_copy(update={"winner": None, "decision": "A tie; onnx is ahead by 1 %."})},
         "run names no winner (A tie; onnx is ahead by 1 %); name the backend to keep"),
        ({"interrupted": True}, "run was interrupted or is still being measured; finish it with `bakeoff bench --resume`"),
        ({"machine": WON.machine.model_copy(update={"cpu": "Their CPU"})},
         "run was measured on Their CPU, and the stack runs on Our CPU; run `bakeoff bench` there"),
        ({"server_gpus": ("NVIDIA H100",)}, "run was measured on NVIDIA H100, and the stack runs on Our CPU"),
        ({"model": {**WON.model, "weights_sha256": "f" * 64}}, "run was measured with another model: weights_sha256 was ffffffffffff..."),
        ({"model": {**WON.model, "precision": "bf16"}}, "another model: precision was bf16 and is fp32; run `bakeoff bench` again"),
    ],
)  # fmt: skip
def test_a_result_that_is_no_ground_is_refused(
    settings: Settings, tmp_path: Path, changes: dict[str, Any], why: str
) -> None:
    assert why in refusal(settings, "winner", ALL_READY, run(tmp_path / "run", **changes))


def test_of_a_stack_elsewhere_without_gpus_the_client_tells_nothing(settings: Settings, tmp_path: Path) -> None:
    folder = run(tmp_path / "run", local=False, machine=WON.machine.model_copy(update={"cpu": "A laptop's"}))
    assert take(settings, Choice(keep="winner"), by="a", document=ALL_READY, folder=folder).backends == ("onnx",)


def test_no_result_at_all_is_told(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(results, "ROOT", tmp_path)
    assert "there is no result yet; run `bakeoff bench` first" in refusal(settings, "winner", ALL_READY)


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"interrupted": 3}', "\xff"])
def test_a_damaged_result_is_told(settings: Settings, tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text, encoding="latin-1")
    assert f"{tmp_path / FILE} is no result that can be read here" in refusal(settings, "winner", ALL_READY, tmp_path)


def test_a_folder_without_a_result_is_told(settings: Settings, tmp_path: Path) -> None:
    assert "cannot be read (No such file or directory); give the folder of a run" in refusal(
        settings, "onnx", ALL_READY, tmp_path
    )


def test_no_result_is_a_reason_for_all(settings: Settings, tmp_path: Path) -> None:
    assert "no result is a reason to keep all" in refusal(settings, "all", ALL_READY, run(tmp_path / "run"))


@pytest.mark.parametrize("name", ["fortran", "ONNX", "", "onnx,pytorch", "../onnx"])
def test_what_is_no_backend_is_refused(settings: Settings, name: str) -> None:
    if name:
        words = refusal(settings, name, ALL_READY)
        assert words == f"{name!r} is no backend; keep one of pytorch, onnx, tensorrt, winner or all"


@pytest.mark.parametrize("state", ["skipped", "failed"])
def test_one_that_is_skipped_or_has_failed_is_refused_with_the_reason(settings: Settings, state: str) -> None:
    document = running(pytorch="ready", onnx="ready", tensorrt=state)
    assert refusal(settings, "tensorrt", document) == f"tensorrt is {state}: why tensorrt is so"


def test_one_that_still_loads_may_be_kept(settings: Settings) -> None:
    document = running(pytorch="ready", onnx="loading")
    assert take(settings, Choice(keep="onnx"), by="a", document=document).backends == ("onnx",)


@pytest.mark.parametrize("document", [None, running(onnx="ready")], ids=["not running", "not served"])
def test_one_that_this_machine_cannot_run_is_refused(settings: Settings, document: Document | None) -> None:
    assert refusal(settings, "tensorrt", document) == "tensorrt cannot run here: needs a GPU"


@pytest.mark.parametrize("document", [None, running(onnx="ready")], ids=["not running", "not served"])
def test_one_that_does_not_run_may_be_kept(settings: Settings, document: Document | None) -> None:
    assert take(settings, Choice(keep="pytorch"), by="a", document=document).backends == ("pytorch",)


def test_one_that_is_not_enabled_is_refused(settings: Settings) -> None:
    only = settings.model_copy(update={"backends": ("pytorch",)})
    assert refusal(only, "onnx", None) == "onnx is not among BACKENDS=pytorch; add it, or unset BACKENDS"


def test_one_that_leaves_out_a_required_one_is_refused(settings: Settings) -> None:
    required = settings.model_copy(update={"required_backends": ("pytorch", "onnx")})
    assert "REQUIRED_BACKENDS=pytorch,onnx does not let go of pytorch" in refusal(required, "onnx", ALL_READY)


def test_while_the_one_before_is_carried_out_it_is_refused(settings: Settings) -> None:
    document = {**running(onnx="ready"), "kept": {"ending": ["pytorch"]}}
    assert "the choice before is being carried out (pytorch is being ended)" in refusal(settings, "all", document)


def test_two_at_once_are_one(settings: Settings) -> None:
    take(settings, Choice(keep="onnx"), by="a", document=ALL_READY)
    with FileLock(KEPT_LOCK.at(settings.bakeoff_home)):
        assert "another choice is being taken in this moment" in refusal(settings, "all", ALL_READY)


@pytest.mark.parametrize("number", [errno.EROFS, errno.ENOSPC, errno.EACCES])
def test_a_volume_that_cannot_be_written_is_told(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    take(settings, Choice(keep="onnx"), by="a", document=ALL_READY)

    def write(home: Path, made: Kept) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(module.kept, "write", write)
    file = KEPT.at(settings.bakeoff_home)
    words = refusal(settings, "all", ALL_READY)
    assert words == f"{file} cannot be written ({os.strerror(number)}); free some space or fix the folder"


@pytest.fixture
def not_a_folder(settings: Settings) -> Iterator[None]:
    settings.bakeoff_home.mkdir()
    (settings.bakeoff_home / FOLDER).write_text("in the way")
    return


def test_a_state_that_is_no_folder_is_told(settings: Settings, not_a_folder: None) -> None:
    with pytest.raises(Refused, match="cannot be written"):
        take(settings, Choice(keep="all"), by="a", document=ALL_READY)


def test_without_a_model_a_result_cannot_be_compared(settings: Settings, tmp_path: Path) -> None:
    words = refusal(settings, "winner", None, run(tmp_path / "run"))
    assert words.startswith("the result cannot be compared with what a start would serve: ")
