import pytest

from bench.errors import BenchError
from bench.report.comparison import compare
from bench.report.contents import contents
from bench.report.markdown import render
from bench.result import Result
from tests.unit.bench.report.reading import cells, section
from tests.unit.bench.report.synthetic import synthetic_result

BACKENDS = {"pytorch": 4.1, "onnx": 3.2, "tensorrt": 2.2}


@pytest.fixture(scope="module")
def other() -> Result:
    """The same again, but with `pytorch` faster and `tensorrt` slower."""
    return synthetic_result({"pytorch": 2.9, "onnx": 3.2, "tensorrt": 2.5}, seed=3)


def changed(result: Result, **changes: object) -> Result:
    return result.model_copy(update=changes)


def test_faster_slower_and_alike_are_told_apart(gpu_result: Result, other: Result) -> None:
    text = render(compare([("first", gpu_result), ("second", other)]))
    assert cells(text, "single, pixels", "pytorch", "p50, ms")[5].startswith("**1.4")
    assert cells(text, "single, pixels", "tensorrt", "p50, ms")[5].startswith("**0.8")
    assert cells(text, "single, pixels", "onnx", "p50, ms")[5].endswith("no clear difference")
    assert "Against A, B is better in 10 of 50 figures, worse in 20, and not clearly different in 20." in text


def test_a_run_does_not_differ_from_itself(gpu_result: Result) -> None:
    text = render(compare([("first", gpu_result), ("again", gpu_result)]))
    assert "better in 0 of 50 figures, worse in 0, and not clearly different in 50" in text


def test_every_curve_has_each_run_in_a_style_of_its_own(gpu_result: Result, other: Result) -> None:
    document = compare([("first", gpu_result), ("second", other), ("third", other)])
    assert len(document.charts) == 4
    for chart in document.charts:
        names = {series.name: series.dash for series in chart.panels[0].series}  # type: ignore[union-attr]
        assert names == {
            f"{name} ({letter})": i for i, letter in enumerate("ABC") for name in ("pytorch", "onnx", "tensorrt")
        }


def test_other_models_are_refused(gpu_result: Result) -> None:
    large = changed(gpu_result, model={**gpu_result.model, "name": "ViT-L-14"})
    with pytest.raises(BenchError, match=r"different models \(A ViT-B-32, B ViT-L-14\)"):
        compare([("first", gpu_result), ("second", large)])


@pytest.mark.parametrize("count", [1, 5])
def test_one_run_or_too_many_are_refused(gpu_result: Result, count: int) -> None:
    with pytest.raises(BenchError, match="give 2 to 4"):
        compare([("run", gpu_result)] * count)


def test_runs_without_a_common_point_are_refused(gpu_result: Result) -> None:
    with pytest.raises(BenchError, match="share no scenario"):
        compare([("first", gpu_result), ("second", synthetic_result({"another": 3.0}))])


def test_other_photos_take_encoded_photos_out_of_the_comparison(gpu_result: Result) -> None:
    photos = gpu_result.photos.model_copy(update={"sha256": "c" * 64})
    text = render(compare([("first", gpu_result), ("second", changed(gpu_result, photos=photos))]))
    assert "> **Other photos:** A bbbbbbbbbbbb, B cccccccccccc; encoded photos are not compared" in text
    assert "encoded photos" not in section(text, "Side by side")


def test_other_photos_take_encoded_photos_out_of_the_curves(gpu_result: Result) -> None:
    photos = gpu_result.photos.model_copy(update={"sha256": "c" * 64})
    document = compare([("first", gpu_result), ("second", changed(gpu_result, photos=photos))])
    assert {panel.title for chart in document.charts for panel in chart.panels} == {"pixels"}  # type: ignore[union-attr]


def test_another_bound_takes_the_server_scenario_out(gpu_result: Result) -> None:
    settings = gpu_result.settings.model_copy(update={"p99_ms": 20.0})
    document = compare([("first", gpu_result), ("second", changed(gpu_result, settings=settings))])
    text = render(document)
    assert "> **Other latency bound:** A 50 ms, B 20 ms; `server` is not compared" in text
    assert "server, " not in section(text, "Side by side")
    assert "latency-rate" not in {chart.key for chart in document.charts}


def test_other_precision_and_weights_are_marked(gpu_result: Result) -> None:
    model = {**gpu_result.model, "precision": "fp32", "weights_sha256": "d" * 64}
    text = render(compare([("first", gpu_result), ("second", changed(gpu_result, model=model))]))
    assert "> **Other precision:** A fp16, B fp32; another arithmetic is another speed: not like for like." in text
    assert "> **Other weights:** A aaaaaaaaaaaa, B dddddddddddd;" in text


def test_what_is_wrong_with_a_run_is_said_with_its_letter(gpu_result: Result) -> None:
    random = synthetic_result(BACKENDS, meaningful=False)
    text = render(compare([("first", gpu_result), ("second", random)]))
    assert "> **B:** **Random weights: the embeddings mean nothing; the speeds are real.**" in text


def test_a_point_with_a_problem_is_not_compared(gpu_result: Result) -> None:
    failing = synthetic_result(BACKENDS, problems={"onnx": "3 of 4003 requests failed"})
    row = cells(render(compare([("first", gpu_result), ("second", failing)])), "single, pixels", "onnx", "p50, ms")
    assert row[4:] == ["-", "-"]


def test_its_conditions_are_those_of_each_run(gpu_result: Result, other: Result) -> None:
    text = render(compare([("first", gpu_result), ("second", other)]))
    assert cells(section(text, "Conditions of B"), "settings")[1].count("seed 3")
    assert section(text, "Conditions of A").strip() == section(render(contents(gpu_result)), "Conditions").strip()
