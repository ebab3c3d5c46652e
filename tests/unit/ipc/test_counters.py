"""Every process adds to a row of its own, and every model has its own cells of it."""

from pathlib import Path

from server.ipc.arena import PAGE, Arena
from server.ipc.counters import Counters

MODELS = ("one", "two", "three")


def test_each_model_s_statistics_are_its_own_and_those_of_all_processes() -> None:
    counters = Counters.create(2, MODELS, 4)
    other = Counters(counters.fileno(), MODELS, 4)  # as another process maps it
    for row, mapped in enumerate((counters, other)):
        for amount, statistics in enumerate(mapped.statistics(row).values(), start=1):
            statistics.record_success(amount, 1, 2, 3, 4)
            statistics.record_execution(4, 2, 3, 4)
    found = [statistics.snapshot() for statistics in counters.statistics(0).values()]
    assert [(each["name"], each["version"]) for each in found] == [("one", "1"), ("two", "1"), ("three", "1")]
    assert [each["inference_count"] for each in found] == [2, 4, 6]
    assert [each["execution_count"] for each in found] == [2, 2, 2]
    assert [each["batch_stats"][0]["batch_size"] for each in found] == [4, 4, 4]


def test_what_is_outstanding_and_when_a_process_last_worked_are_no_statistics() -> None:
    counters = Counters.create(3, MODELS, 4)
    counters.add_outstanding(0, 5)
    counters.add_outstanding(2, 3)
    counters.add_outstanding(0, -1)
    assert counters.outstanding == 7
    assert [counters.last_beat(row) for row in range(3)] == [0, 0, 0]
    counters.beat(1)
    assert counters.last_beat(1) > 0
    assert [counters.last_beat(row) for row in (0, 2)] == [0, 0]
    assert counters.outstanding == 7
    empty = Counters.create(3, MODELS, 4).statistics(0)
    for name, statistics in counters.statistics(0).items():
        assert statistics.snapshot() == empty[name].snapshot()


def test_nanoseconds_of_years_are_exact() -> None:
    counters = Counters.create(2, MODELS, 4)
    for row in range(2):
        counters.statistics(row)["two"].record_failure(2**60 + 1)
    assert counters.statistics(0)["two"].snapshot()["inference_stats"]["fail"] == {"count": 2, "ns": 2**61 + 2}


def test_memory_says_in_proc_what_it_is() -> None:
    counters, arena = Counters.create(1, MODELS, 4), Arena.create(PAGE)
    names = [str(Path(f"/proc/self/fd/{each.fileno()}").readlink()) for each in (counters, arena)]
    assert names == ["/memfd:bakeoff-counters (deleted)", "/memfd:bakeoff-arena (deleted)"]


def test_what_all_processes_have_embedded_is_counted_in_images() -> None:
    counters = Counters.create(2, MODELS, 4)
    assert counters.embedded == 0
    counters.statistics(0)["one"].record_execution(3, 1, 1, 1)
    counters.statistics(1)["one"].record_execution(4, 1, 1, 1)
    counters.statistics(1)["three"].record_execution(2, 1, 1, 1)
    counters.statistics(1)["three"].record_execution(2, 1, 1, 1)
    assert counters.embedded == 3 + 4 + 2 + 2
    assert counters.statistics(0)["one"].executed == 7


def test_of_a_process_that_died_nothing_is_outstanding_and_all_that_it_counted_stays() -> None:
    counters = Counters.create(2, MODELS, 4)
    for row in range(2):
        counters.beat(row)
        counters.add_outstanding(row, 3)
        counters.statistics(row)["one"].record_success(2, 1, 2, 3, 4)
        counters.statistics(row)["one"].record_execution(2, 1, 1, 1)
    before = [each.snapshot() for each in counters.statistics(0).values()]
    counters.forget(1)
    assert (counters.outstanding, counters.last_beat(1)) == (3, 0)
    assert counters.last_beat(0)
    assert [each.snapshot() for each in counters.statistics(0).values()] == before
    successor = Counters(counters.fileno(), MODELS, 4)
    successor.add_outstanding(1, 4)
    successor.statistics(1)["one"].record_success(1, 1, 2, 3, 4)
    assert counters.outstanding == 7
    assert counters.statistics(0)["one"].snapshot()["inference_count"] == 5
