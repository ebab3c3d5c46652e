import threading
import time

import numpy as np
import pytest

from server.oip import statistics
from server.oip.statistics import ModelStatistics, cells


def table(processes: int = 1) -> np.ndarray:
    return np.zeros((processes, cells(max_batch_size=16)), np.int64)


def duration(count: int, ns: int) -> dict[str, int]:
    return {"count": count, "ns": ns}


def test_before_the_first_request_as_triton_has_it() -> None:
    none = duration(0, 0)
    assert ModelStatistics("m", "1", table(), 0).snapshot() == {
        "name": "m",
        "version": "1",
        "last_inference": 0,
        "inference_count": 0,
        "execution_count": 0,
        "inference_stats": {
            "success": none,
            "fail": none,
            "queue": none,
            "compute_input": none,
            "compute_infer": none,
            "compute_output": none,
            "cache_hit": none,
            "cache_miss": none,
        },
        "response_stats": {},
        "batch_stats": [],
        "memory_usage": [],
    }


def test_two_requests_in_one_execution() -> None:
    counters = ModelStatistics("m", "1", table(), 0)
    counters.record_execution(5, 10, 100, 1)
    counters.record_success(2, 7, 10, 100, 1)
    counters.record_success(3, 8, 10, 100, 1, total_ns=150)
    snapshot = counters.snapshot()
    assert (snapshot["inference_count"], snapshot["execution_count"]) == (5, 1)
    stats = snapshot["inference_stats"]
    assert stats["success"] == duration(2, 118 + 150)
    assert stats["queue"] == duration(2, 15)
    assert stats["compute_input"] == duration(2, 20)
    assert stats["compute_infer"] == duration(2, 200)
    assert stats["compute_output"] == duration(2, 2)
    assert snapshot["batch_stats"] == [
        {
            "batch_size": 5,
            "compute_input": duration(1, 10),
            "compute_infer": duration(1, 100),
            "compute_output": duration(1, 1),
        }
    ]


def test_batch_sizes_in_their_order() -> None:
    counters = ModelStatistics("m", "1", table(), 0)
    for size in (8, 1, 3, 8):
        counters.record_execution(size, 1, 2, 3)
    snapshot = counters.snapshot()
    assert [(batch["batch_size"], batch["compute_infer"]) for batch in snapshot["batch_stats"]] == [
        (1, duration(1, 2)),
        (3, duration(1, 2)),
        (8, duration(2, 4)),
    ]
    assert snapshot["execution_count"] == 4


def test_each_process_counts_in_its_own_row_and_tells_the_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    shared = table(processes=2)
    first, second = (ModelStatistics("m", "1", shared, row) for row in range(2))
    monkeypatch.setattr(statistics, "_now_ms", lambda: 2000)
    first.record_success(2, 1, 1, 1, 1)
    first.record_failure(5)
    monkeypatch.setattr(statistics, "_now_ms", lambda: 1000)
    second.record_success(3, 1, 1, 1, 1)
    second.record_execution(5, 1, 1, 1)
    assert shared[:, statistics.INFERENCES].tolist() == [2, 3]
    assert first.snapshot() == second.snapshot()
    found = second.snapshot()
    assert (found["inference_count"], found["execution_count"], found["last_inference"]) == (5, 1, 2000)
    assert found["inference_stats"]["success"] == duration(2, 8)
    assert found["inference_stats"]["fail"] == duration(1, 5)


def test_failure_counts_as_nothing_else() -> None:
    counters = ModelStatistics("m", "1", table(), 0)
    before = counters.snapshot()
    counters.record_failure(9)
    after = counters.snapshot()
    assert after["inference_stats"].pop("fail") == duration(1, 9)
    del before["inference_stats"]["fail"]
    assert after == before


def test_last_inference_is_in_milliseconds_and_never_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    counters = ModelStatistics("m", "1", table(), 0)
    counters.record_success(1, 0, 0, 0, 0)
    assert abs(counters.snapshot()["last_inference"] - time.time() * 1000) < 60_000
    monkeypatch.setattr(statistics, "_now_ms", lambda: 10**15)
    counters.record_execution(1, 0, 0, 0)
    monkeypatch.setattr(statistics, "_now_ms", lambda: 5)
    counters.record_success(1, 0, 0, 0, 0)
    assert counters.snapshot()["last_inference"] == 10**15


def test_a_snapshot_stays_as_it_was_taken() -> None:
    counters = ModelStatistics("m", "1", table(), 0)
    counters.record_execution(1, 1, 1, 1)
    snapshot = counters.snapshot()
    counters.record_execution(1, 1, 1, 1)
    counters.record_failure(1)
    assert snapshot["batch_stats"][0]["compute_infer"] == duration(1, 1)
    assert snapshot["inference_stats"]["fail"] == duration(0, 0)


def test_threads_lose_no_count() -> None:
    counters = ModelStatistics("m", "1", table(), 0)
    torn: list[dict[str, object]] = []

    def work() -> None:
        for _ in range(500):
            counters.record_success(2, 3, 1, 1, 1)
            counters.record_execution(2, 1, 1, 1)
            stats = counters.snapshot()["inference_stats"]
            if stats["queue"]["ns"] != 3 * stats["success"]["count"]:
                torn.append(stats)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    snapshot = counters.snapshot()
    assert torn == []
    assert (snapshot["inference_count"], snapshot["execution_count"]) == (8000, 4000)
    assert snapshot["inference_stats"]["success"] == duration(4000, 24_000)
