"""Charts as data, and what drawing makes of them."""

import math
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.histogram import Latencies
from bench.report import curves, style
from bench.report.charts import LineChart, Panel, Series, Spot, scale_for, table
from bench.report.contents import contents
from bench.report.draw import NARROW, WIDE, stacked, svg
from bench.report.files import picture
from bench.report.inline import inline
from bench.report.latencies import percentiles
from bench.result import NullPoint, Result

ORDER = ["pytorch", "onnx", "tensorrt"]


def chart(result: Result, key: str) -> LineChart:
    found = next(each for each in contents(result).charts if each.key == key)
    assert isinstance(found, LineChart)
    return found


def test_a_run_has_every_chart_that_the_issue_asks_for(gpu_result: Result) -> None:
    assert {each.key for each in contents(gpu_result).charts} == {
        "latency-rate",
        "latency-in-flight",
        "throughput-batch",
        "throughput-in-flight",
        "percentiles",
        "time-single",
        "time-concurrency",
        "startup",
        "energy",
        "gpu-busy",
    }


def test_every_point_is_drawn_with_its_interval_and_begins_at_single(gpu_result: Result) -> None:
    drawn = chart(gpu_result, "throughput-batch")
    for panel, kind in zip(drawn.panels, ("encoded", "pixels"), strict=True):
        for name in ORDER:
            series = next(each for each in panel.series if each.name == name)
            points = [
                p
                for p in gpu_result.summary.points
                if p.backend == name
                and p.scenario.input == kind
                and p.scenario.transport == "http"
                and p.scenario.kind in ("single", "batch")
            ]
            assert [spot.x for spot in series.spots] == sorted(p.scenario.batch for p in points)
            assert {(s.y, s.low, s.high) for s in series.spots} == {
                (p.images_per_s.value, p.images_per_s.low, p.images_per_s.high) for p in points if p.images_per_s
            }


def test_points_are_marked(gpu_result: Result) -> None:
    flying = chart(gpu_result, "throughput-in-flight")
    assert flying.marks == ["client-bound", "unstable"]
    marked = {
        (series.name, spot.x) for p in flying.panels for series in p.series for spot in series.spots if spot.marks
    }
    assert marked == {("onnx", 16), ("onnx, gRPC", 16), ("onnx, gRPC", 64), ("tensorrt, gRPC", 64)}


def test_the_rates_of_the_server_scenario_have_the_bound_and_what_could_not_be_decided(gpu_result: Result) -> None:
    rates = chart(gpu_result, "latency-rate")
    assert rates.y_line == (50.0, "bound 50 ms")
    assert rates.marks == ["undecided"]


def test_a_curve_of_one_point_is_no_curve(gpu_result: Result) -> None:
    points = tuple(p for p in gpu_result.summary.points if p.scenario.kind != "batch")
    summary = gpu_result.summary.model_copy(update={"points": points})
    assert curves.throughput_by_batch(gpu_result.model_copy(update={"summary": summary})) is None


def test_the_clients_own_limit_is_drawn_only_where_it_is_near(gpu_result: Result) -> None:
    def limits(factor: float) -> tuple[NullPoint, ...]:
        return tuple(
            each.model_copy(update={"images_per_s": each.images_per_s * factor}) for each in gpu_result.null_server
        )

    near = curves.throughput_by_concurrency(gpu_result)
    far = curves.throughput_by_concurrency(gpu_result.model_copy(update={"null_server": limits(100)}))
    none = curves.throughput_by_concurrency(gpu_result.model_copy(update={"null_server": ()}))
    assert near is not None
    assert far is not None
    assert none is not None
    assert any(series.backend == style.CLIENT for series in near.panels[0].series)
    assert not any(series.backend == style.CLIENT for series in far.panels[0].series)
    factor = float(re.findall(r"at least ([\d.]+) times", far.caption)[0])
    assert factor == pytest.approx(100 * float(re.findall(r"at least ([\d.]+) times", near.caption)[0]), rel=0.05)
    assert "was not measured" in none.caption


def test_percentiles_end_where_no_request_is_above_them() -> None:
    latencies = Latencies.of(np.arange(1, 1001) / 1e3)
    found = {spot.x: spot.y for spot in percentiles(latencies.encoded)}
    assert list(found) == [50, 75, 90, 95, 99, 99.9]
    assert found[50] == pytest.approx(500, rel=2e-3)
    assert found[99.9] == pytest.approx(999, rel=2e-3)
    assert [spot.x for spot in percentiles(Latencies.of(np.arange(1, 51) / 1e3).encoded)] == [50, 75, 90, 95]


@given(st.lists(st.floats(min_value=1e-6, max_value=1e9), min_size=1))
def test_only_values_far_apart_take_a_log_axis(values: list[float]) -> None:
    assert (scale_for(values) == "log") == (max(values) / min(values) > 5)


def test_what_is_not_positive_takes_a_linear_axis() -> None:
    assert scale_for([0, 1, 1000]) == scale_for([]) == scale_for([math.inf]) == "linear"


def test_a_charts_table_has_every_point(gpu_result: Result) -> None:
    for each in contents(gpu_result).charts:
        _, rows = table(each)
        if isinstance(each, LineChart):
            assert len(rows) == len(each.spots)
        else:
            assert len(rows) == sum(len(group.bars) for group in each.groups)


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_every_point_within_a_drawing_says_its_value(gpu_result: Result, width: int) -> None:
    drawn = chart(gpu_result, "throughput-in-flight")
    texts = {
        f"points-{i}-{j}": [f"point {i} {j} {k}" for k in range(len(series.spots))]
        for i, panel in enumerate(drawn.panels)
        for j, series in enumerate(panel.series)
    }
    page = inline(svg(drawn, width, ORDER), "p", "a chart", texts)
    assert page.count("<title>point") == len(drawn.spots)


def lines(*panels: tuple[float, ...], bound: float | None = None, markers: bool = True) -> LineChart:
    """Return a chart of one backend's line in each panel."""
    return LineChart(
        "k",
        "t",
        "",
        "x",
        "y",
        tuple(
            Panel("", (Series("pytorch", "pytorch", tuple(map(Spot, range(1, len(ys) + 1), ys)), markers=markers),))
            for ys in panels
        ),
        y_line=(bound, "bound") if bound else None,
    )


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize(
    "drawn",
    [
        lines((20, 30), (20, 90)),
        lines((20, 30), (20, 40), bound=90),
        lines((20, 30), (20, 40), bound=1500),
        lines((0, 0), (0, 0)),
    ],
    ids=["a higher panel", "a bound", "a far bound", "nothing but zeros"],
)
def test_no_point_lies_outside_of_its_panel(drawn: LineChart, width: int) -> None:
    values = {f"points-{i}-0": [f"point {i} 0", f"point {i} 1"] for i in range(2)}
    page = inline(svg(drawn, width, ORDER), "p", "a chart", values)
    assert re.findall(r"<title>point (\d \d)</title>", page) == ["0 0", "0 1", "1 0", "1 1"]
    for axes in stacked([drawn], "t", ORDER).axes:
        for line in axes.lines:
            ys = np.asarray(line.get_ydata(), float)
            assert axes.get_ylim()[0] <= ys.min() <= ys.max() <= axes.get_ylim()[1]


@pytest.mark.parametrize(("bound", "scale"), [(60, "linear"), (600, "log")])
def test_a_bound_far_above_the_curves_takes_a_log_axis(bound: float, scale: str) -> None:
    assert lines((20, 30), (20, 40), bound=bound).y_scale == scale


def test_a_line_without_markers_does_not_give_its_values_to_others() -> None:
    values = {"points-0-0": ["mine 0", "mine 1"]}
    assert "mine" not in inline(svg(lines((1, 2), (1, 2), markers=False), WIDE, ORDER), "p", "a chart", values)


def test_colours_follow_the_pages_theme_and_text_keeps_its_digits() -> None:
    raw = svg(lines((0.001, 0.005)), WIDE, ORDER)
    page = inline(raw, "p", "a <chart>", {})
    assert style.BACKENDS["pytorch"].light in raw
    assert not re.search(r"#[0-9a-f]{6}", page)
    assert "var(--backend-pytorch)" in page
    assert ">0.005<" in page
    assert 'aria-label="a &lt;chart&gt;"' in page
    assert set(re.findall(r'id="([^"]+)"', page)) == {
        name for name in re.findall(r'id="([^"]+)"', page) if name[:2] == "p-"
    }


def test_the_same_chart_gives_the_same_file(gpu_result: Result) -> None:
    drawn = chart(gpu_result, "percentiles")
    assert svg(drawn, NARROW, ORDER) == svg(drawn, NARROW, ORDER)


def test_a_backend_keeps_its_colour_and_marker_and_strangers_get_others() -> None:
    order = ["mine", "pytorch", "yours"]
    looks = [style.look(name, order) for name in order]
    assert len({look.light for look in looks}) == len({look.marker for look in looks}) == 3
    assert looks[1] == style.BACKENDS["pytorch"]


@pytest.mark.parametrize(("index", "paper"), [(1, style.PAPER), (2, style.PAPER_DARK)])
def test_lines_and_text_have_enough_contrast_in_both_themes(index: int, paper: str) -> None:
    for name, *colours in style.variables().values():
        wanted = 4.5 if name in ("--ink", "--quiet") else 3.0
        if name.startswith(("--backend", "--other", "--client", "--bound", "--ink", "--quiet")):
            assert contrast(colours[index - 1], paper) >= wanted, name


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of WCAG 2.1."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_the_main_picture_shows_every_point(gpu_result: Result) -> None:
    charts = [chart(gpu_result, "throughput-batch"), chart(gpu_result, "latency-rate")]
    figure = stacked(charts, "A decision", ORDER)
    drawn = [(axes, line) for axes in figure.axes for line in axes.lines if str(line.get_gid()).startswith("points")]
    assert sum(len(line.get_xydata()) for _, line in drawn) == sum(len(each.spots) for each in charts)
    assert any("? " in text.get_text() and "undecided" in text.get_text() for text in figure.texts)
    for axes, line in drawn:
        for x, y in line.get_xydata():
            assert axes.get_xlim()[0] <= x <= axes.get_xlim()[1]
            assert axes.get_ylim()[0] <= y <= axes.get_ylim()[1]


def test_the_main_picture_is_a_png(gpu_result: Result, tmp_path: Path) -> None:
    assert picture(gpu_result, tmp_path / "report.png")
    assert (tmp_path / "report.png").read_bytes()[:4] == b"\x89PNG"
    assert [path.name for path in tmp_path.iterdir()] == ["report.png"]
