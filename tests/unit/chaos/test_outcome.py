"""The bar of `make chaos` and `make load`: what misses it is said."""

from collections import Counter
from dataclasses import replace

import pytest

from tests.chaos import load
from tests.chaos.faults import Fault, all_faults
from tests.chaos.outcome import Outcome, late, problems, summary, table

KILL = Fault("SIGKILL of a backend", lambda _: None, ("onnx",), 5.0, kills=True)
GOOD = Outcome(KILL, 0.5, 20.0, Counter({("onnx", "right"): 9, ("onnx", "broken"): 1, ("pytorch", "right"): 9}), 0)
ABLE = load.Overload("onnx", 16, 20.0, 19.0, 30.0, 18.5, 12.0, 14.0, (900.0, 950.0), {"right": 9, "refused": 3}, [])


def test_what_keeps_the_bar_is_no_problem() -> None:
    assert problems([GOOD]) == late([GOOD]) == []


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"noticed_s": None}, "/ready was 200"),
        ({"recovered_s": None, "lost": 2}, "2 requests lost"),
        ({"counts": Counter({("onnx", "wrong"): 1})}, "onnx: 1 answers wrong"),
        ({"counts": Counter({("onnx", "unclear"): 1})}, "onnx: 1 answers unclear"),
        ({"counts": Counter({("pytorch", "refused"): 1})}, "pytorch: 1 answers refused"),
        ({"fault": replace(KILL, kills=False)}, "onnx: 1 answers broken"),
        (
            {"fault": replace(KILL, stays_open=True), "counts": Counter({("onnx", "closed"): 1})},
            "onnx: 1 answers closed",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_misses_the_bar_is_said(changed: dict[str, object], words: str) -> None:
    (problem,) = problems([replace(GOOD, **changed)])
    assert words in problem


def test_the_truth_told_late_is_said() -> None:
    assert late([replace(GOOD, noticed_s=6.0)]) == ["SIGKILL of a backend: /ready was 200 for 6.0 s"]


def test_what_comes_back_late_is_said() -> None:
    fault = replace(KILL, back_within_s=20.0)
    assert late([replace(GOOD, fault=fault)]) == []
    assert late([replace(GOOD, fault=fault, recovered_s=20.1)]) == [
        "SIGKILL of a backend: not as before until 20.1 s, and 20 s are allowed"
    ]


def test_the_parts_of_8002_that_are_replaced_alone_have_a_bar_of_their_own() -> None:
    faults = {fault.name: fault for fault in all_faults(small_disk=False, gpus=0)}
    found = {name: fault.back_within_s for name, fault in faults.items() if fault.back_within_s}
    assert found == {"SIGKILL pytorch's worker": 3.0, "SIGKILL pytorch's engine": 15.0}
    assert {name for name, fault in faults.items() if fault.stays_open} == {
        *found, "SIGSTOP pytorch's worker", "SIGSTOP pytorch's engine",
    }  # fmt: skip


def test_the_report_adds_up() -> None:
    assert list(table([GOOD, GOOD]))[-1] == "| SIGKILL of a backend | 2 | 0.5 s | 20.0 s | 36 | 0 | 0 | 2 | 0 | 0 | 0 |"
    (line,) = summary([GOOD, GOOD])
    assert line.startswith("2 faults of 1 kinds; 38 requests sent: 36 right")


def test_one_engine_of_several_leaves_the_stack_ready() -> None:
    def asked(gpus: int) -> set[str]:
        faults = all_faults(small_disk=False, gpus=gpus)
        return {fault.name for fault in faults if "engine" in fault.name and fault.unready_within_s}

    assert asked(1) == {"SIGKILL pytorch's engine", "SIGSTOP pytorch's engine", "lost CUDA context of pytorch's engine"}
    assert asked(2) == set()


@pytest.mark.parametrize("gpus", [0, 1, 2])
def test_faults_have_names_of_their_own(gpus: int) -> None:
    names = [fault.name for fault in all_faults(small_disk=True, gpus=gpus)]
    assert len(names) == len(set(names)) > 30


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, None),
        ({"goodput": 15.0}, "goodput 15.0/s of a peak of 19.0/s"),
        ({"p99_s": 70.0}, "REQUEST_TIMEOUT_S"),
        ({"resident_mib": (900.0, 1200.0)}, "memory grew"),
        ({"counts": {"right": 9, "broken": 1}}, "1 broken"),
    ],
)
def test_overload_is_judged(changed: dict[str, object], words: str | None) -> None:
    found = load.problems(replace(ABLE, **changed), request_timeout_s=60)
    assert [words in problem for problem in found] == ([True] if words else [])
