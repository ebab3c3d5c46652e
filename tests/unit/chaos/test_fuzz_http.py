"""Hostile HTTP/1.1 against the real connections of port 8002, and whether the fuzzer sees what it looks for."""

import itertools
import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from server.home import ROOT
from tests.chaos.fuzz_http import Unexpected, fuzz_http, judge
from tests.chaos.http_cases import Case, Cases, Target

TARGETS = [Target("GET", "/a", 200), Target("POST", "/b", 200)]


@pytest.fixture
def port() -> Iterator[int]:
    command = [sys.executable, "-m", "tests.doubles.port_workers"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield int(json.loads(process.stdout.readline())["url"].rpartition(":")[2])
        process.terminate()


def test_every_whole_request_is_answered_and_no_wrong_one_smuggles_another(port: int) -> None:
    found = fuzz_http("127.0.0.1", port, TARGETS, {}, 1_500, 7)
    assert found.total() == 1_500
    assert min(found.values()) > 100


def test_one_seed_gives_the_same_cases() -> None:
    first, second, other = ([*itertools.islice(Cases(TARGETS, {}, seed), 50)] for seed in (3, 3, 4))
    assert first == second != other


@pytest.mark.parametrize(
    ("case", "statuses"),
    [
        (Case([b""], [200, 200], wrong=False, slow=False), [200]),
        (Case([b""], [200], wrong=False, slow=False), [200, 404]),
        (Case([b""], [200], wrong=False, slow=False), [400]),
        (Case([b""], None, wrong=True, slow=False), [400, 200]),
        (Case([b""], None, wrong=False, slow=False), [200, 500]),
    ],
    ids=["too few", "too many", "another", "smuggled", "an error"],
)
def test_a_wrong_answer_is_found_out(case: Case, statuses: list[int]) -> None:
    with pytest.raises(Unexpected, match="answered"):
        judge(case, statuses)
