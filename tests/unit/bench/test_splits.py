import pytest

from bench.splits import Split, composing_models, pooled, split_between
from server.oip.counters import CountersResetError, Reading, read_counters


def counters(successes: int, failures: int, *ns: int) -> Reading:
    return Reading(successes, failures, *ns)


def document(count: int, ns: int) -> dict[str, object]:
    pair = {"count": count, "ns": ns}
    stats = dict.fromkeys(("success", "fail", "queue", "compute_input", "compute_infer", "compute_output"), pair)
    return {"model_stats": [{"name": "m", "version": v, "inference_stats": stats} for v in ("1", "2")]}


def test_versions_are_added_up() -> None:
    assert read_counters(document(3, 70)) == counters(6, 6, 140, 140, 140, 140, 140)


def test_another_document_is_an_error() -> None:
    with pytest.raises(ValueError, match="success"):
        read_counters({"model_stats": [{"inference_stats": {}}]})


def test_a_plain_model_s_split_is_the_mean_of_what_was_added() -> None:
    before = {"m": counters(10, 1, 5_000, 100, 200, 300, 400)}
    after = {"m": counters(14, 3, 9_000, 140, 280, 2_300, 440)}
    assert split_between(before, after, "m") == Split(
        requests=4, failures=2, total_ns=1_000, queue_ns=10, input_ns=20, infer_ns=500, output_ns=10
    )


def test_an_ensemble_s_split_is_the_sum_over_its_models_each_per_request_of_its_own() -> None:
    before = {
        "ensemble": counters(0, 0, 0, 0, 0, 0, 0),
        "decode": counters(5, 0, 50, 0, 0, 0, 0),
        "pixels": counters(100, 0, 0, 0, 0, 0, 0),
    }
    after = {
        "ensemble": counters(2, 0, 2_000, 0, 0, 0, 0),
        "decode": counters(7, 0, 900, 20, 40, 600, 80),
        "pixels": counters(104, 0, 900, 40, 80, 1_200, 160),  # twice as many: somebody else uses it too
    }
    assert split_between(before, after, "ensemble") == Split(
        requests=2, failures=0, total_ns=1_000, queue_ns=20, input_ns=40, infer_ns=600, output_ns=80
    )


def test_nothing_answered_has_no_split() -> None:
    same = {"m": counters(10, 1, 5_000, 100, 200, 300, 400)}
    assert split_between(same, same, "m") is None


def test_counters_that_go_backwards_are_a_restart() -> None:
    with pytest.raises(CountersResetError):
        split_between({"m": counters(10, 0, 9, 9, 9, 9, 9)}, {"m": counters(2, 0, 9, 9, 9, 9, 9)}, "m")


def test_composing_models_are_named_once_in_order() -> None:
    steps = [{"model_name": "b"}, {"model_name": "a"}, {"model_name": "b"}]
    assert composing_models({"ensemble_scheduling": {"step": steps}}) == ("b", "a")
    assert composing_models({"name": "plain"}) == ()


def test_windows_are_pooled_by_their_requests() -> None:
    one = Split(requests=1, failures=1, total_ns=100, queue_ns=0, input_ns=0, infer_ns=100, output_ns=0)
    three = Split(requests=3, failures=0, total_ns=500, queue_ns=0, input_ns=0, infer_ns=300, output_ns=0)
    both = pooled([one, three])
    assert both is not None
    assert (both.requests, both.failures, both.total_ns, both.infer_ns) == (4, 1, 400, 250)
    assert pooled([]) is None
