"""Bars: their parts are what the servers told, and a drawn bar is as long as its figures say."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from bench.report import costs, style
from bench.report.bars import bar_height, draw_bars
from bench.report.charts import Bar, BarChart, BarGroup, table
from bench.report.contents import contents
from bench.result import Result
from bench.rounds import Basis, point
from bench.scenarios import Scenario
from bench.splits import Split
from tests.unit.bench.conftest import window

SINGLE = Scenario(kind="single", input="pixels")
CHART = BarChart(
    "k", "t", "", "ms", ("queue", "never", "compute", "output"),
    (
        BarGroup("one", (Bar("pytorch", "pytorch", (1.0, None, 4.0, 0.5)), Bar("onnx", "onnx", (None, 0.0, 10.0, 2.0)))),
        BarGroup("two", (Bar("tensorrt", "tensorrt", (3.0, None, None, 1.0)),)),
    ),
)  # fmt: skip


def drawn(chart: BarChart, *, wide: bool = True) -> Figure:
    figure = Figure()
    draw_bars(figure, chart, wide=wide)
    return figure


def rectangles(figure: Figure) -> list[tuple[float, float, float, int]]:
    """Return row, left end, right end and part of each rectangle, by row and left end."""
    fills = [to_rgb(fill) for fill in style.PARTS]
    found = []
    for patch in figure.axes[0].patches:
        assert isinstance(patch, Rectangle)
        row, left = patch.get_y() + patch.get_height() / 2, patch.get_x()
        found.append((row, left, left + patch.get_width(), fills.index(patch.get_facecolor()[:3])))  # type: ignore[arg-type]
    return sorted(found)


@pytest.mark.parametrize("wide", [True, False])
def test_the_parts_of_a_bar_follow_each_other_without_a_gap_in_their_own_fills(wide: bool) -> None:
    found = rectangles(drawn(CHART, wide=wide))
    assert [each[1:] for each in found] == [
        (0, 1, 0),
        (1, 5, 2),
        (5, 5.5, 3),
        (0, 10, 2),
        (10, 12, 3),
        (0, 3, 0),
        (3, 4, 3),
    ]
    assert len({row for row, *_ in found}) == 3


def test_every_bar_is_labelled_on_its_row_with_its_whole_length_at_its_end() -> None:
    axes = drawn(CHART).axes[0]
    rows = sorted({row for row, *_ in rectangles(drawn(CHART))})
    assert axes.get_yticks().tolist() == rows
    assert [label.get_text() for label in axes.get_yticklabels()] == ["pytorch", "onnx", "tensorrt"]
    assert axes.yaxis_inverted()  # the first bar is on top
    texts = {each.get_text(): each.xy for each in axes.texts}  # type: ignore[attr-defined]
    assert [texts[length] for length in ("5.50", "12.0", "4.00")] == list(zip((5.5, 12, 4), rows, strict=True))
    assert texts["one"][1] < rows[0] < rows[1] < texts["two"][1] < rows[2]


@pytest.mark.parametrize("wide", [True, False])
def test_no_bar_reaches_beyond_the_axis_and_the_longest_nearly_fills_it(wide: bool) -> None:
    low, high = drawn(CHART, wide=wide).axes[0].get_xlim()
    assert low == 0
    assert 0.8 * high < 12 < high


def test_the_legend_has_the_parts_that_some_bar_has_in_their_own_fills() -> None:
    (legend,) = drawn(CHART).legends
    entries = {
        text.get_text(): patch.get_facecolor()[:3]
        for text, patch in zip(legend.get_texts(), legend.get_patches(), strict=True)
    }
    assert entries == {CHART.parts[i]: to_rgb(style.PARTS[i]) for i in (0, 2, 3)}


def test_bars_of_one_part_alone_need_no_legend() -> None:
    alone = BarChart("k", "t", "", "s", ("ready", "other"), (BarGroup("", (Bar("onnx", "onnx", (2.0, None)),)),))
    figure = drawn(alone)
    assert not figure.legends
    assert not [each for each in figure.axes[0].texts if not each.get_text()]  # no empty heading either
    assert bar_height(alone, wide=True) < bar_height(CHART, wide=True) < bar_height(CHART, wide=False)


def test_a_request_s_time_is_divided_as_the_server_told_and_the_client_saw() -> None:
    split = Split(requests=2, failures=0, total_ns=8e6, queue_ns=1e6, input_ns=2e6, infer_ns=3e6, output_ns=0.5e6)
    found = point(SINGLE, "onnx", [window(1, SINGLE, "onnx", 10.0, split=split)], Basis())
    parts = costs.split_parts(found)
    assert costs.SPLIT_PARTS == ("queue", "input", "compute", "output", "rest of the server", "network and client")
    assert parts == pytest.approx((1, 2, 3, 0.5, 1.5, 2), rel=3e-3)


def test_no_part_of_a_request_is_negative_where_the_server_counts_more_than_the_client() -> None:
    split = Split(requests=2, failures=0, total_ns=12e6, queue_ns=9e6, input_ns=2e6, infer_ns=3e6, output_ns=1e6)
    found = point(SINGLE, "onnx", [window(1, SINGLE, "onnx", 10.0, split=split)], Basis())
    assert costs.split_parts(found) == pytest.approx((9, 2, 3, 1, 0, 0), rel=1e-3)


def test_a_server_without_an_account_has_no_bar() -> None:
    without = point(SINGLE, "onnx", [window(1, SINGLE, "onnx", 10.0, split=None)], Basis())
    silent = point(SINGLE, "onnx", [window(1, SINGLE, "onnx", [])], Basis())
    assert costs.split_parts(without) is None
    assert costs.split_parts(silent) is None


def test_a_bar_of_a_request_s_time_is_as_long_as_its_mean_latency(gpu_result: Result) -> None:
    charts = {each.key: each for each in contents(gpu_result).charts}
    chart = charts["time-single"]
    assert isinstance(chart, BarChart)
    assert {group.title for group in chart.groups} == {"single, encoded photos", "single, pixels"}
    means = {
        (each.scenario.title.removesuffix(", gRPC"), each.backend + ("" if each.scenario.transport == "http" else ", gRPC")): each.mean_ms
        for each in gpu_result.summary.points
        if each.scenario.kind == "single"
    }  # fmt: skip
    bars = {(group.title, bar.label): bar.total for group in chart.groups for bar in group.bars}
    assert bars == pytest.approx(means)
    heads, rows = table(chart)
    assert heads == ("", "backend", *costs.SPLIT_PARTS, "all, ms per request")
    for row in rows:
        mean = means[row[0], row[1]]
        assert [float(cell) / mean for cell in row[2:]] == pytest.approx([0.1, 0.2, 0.4, 0.1, 0.1, 0.1, 1], rel=6e-3)


def test_a_start_is_divided_into_its_steps_and_cold_and_warm_starts_into_none(gpu_result: Result) -> None:
    chart = costs.startup(gpu_result)
    assert chart is not None
    assert chart.parts == ("starting", "loading", "warming", "verifying", "compiling", "not split")
    found = {(group.title, bar.label): bar.parts for group in chart.groups for bar in group.bars}
    steps, cold, warm = "this run's stack, by step", "cold: nothing kept", "warm: with what the first start left"
    assert found[steps, "tensorrt"] == (1.2, 3.4, 2.9, 0.6, 48.0, None)
    assert found[steps, "onnx"] == (1.2, 3.4, 2.9, 0.6, None, None)
    assert found[cold, "tensorrt"] == (None,) * 5 + (62.0,)
    assert found[warm, "tensorrt"] == (None,) * 5 + (8.0,)
    assert np.isclose(max(bar.total for group in chart.groups for bar in group.bars), 62)


def test_pooled_windows_weigh_by_their_requests_in_a_bar() -> None:
    """Three requests of 2 ms and one of 6 ms in the queue are 3 ms of the mean request."""
    quick = Split(requests=3, failures=0, total_ns=9e6, queue_ns=2e6, input_ns=1e6, infer_ns=4e6, output_ns=1e6)
    slow = quick.model_copy(update={"requests": 1, "queue_ns": 6e6, "total_ns": 13e6})
    windows = [window(1, SINGLE, "onnx", [12.0] * 3, split=quick), window(2, SINGLE, "onnx", [16.0], split=slow)]
    assert costs.split_parts(point(SINGLE, "onnx", windows, Basis())) == pytest.approx((3, 1, 4, 1, 1, 3), rel=3e-3)
