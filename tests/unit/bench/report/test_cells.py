"""What a reader takes out of a drawn report, against figures worked out here from the latencies that went in."""

from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import numpy.typing as npt
import pytest

from bench.report import markdown, page
from bench.report.contents import contents
from bench.result import Result
from bench.rounds import Basis
from bench.scenarios import Scenario
from bench.summary import summarise
from bench.windows import Window
from tests.unit.bench.conftest import MakeResult, window

PRICE_PER_HOUR = 3.6
ROUNDS, REQUESTS = 5, 240
SINGLE = Scenario(kind="single", input="pixels")
BATCH = Scenario(kind="batch", input="pixels", batch=8)
SPEEDS_MS = {"pytorch": 8.0, "onnx": 5.0}
THREE_FIGURES = 5.1e-3

Latencies = dict[tuple[Scenario, str], npt.NDArray[np.float64]]
"""By scenario and backend, milliseconds `[rounds, requests]`."""

RowsOf = Callable[[Result], list[list[str]]]


class Tables(HTMLParser):
    """The cells of every table row of a page, each cell's text with single blanks."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self._in_cell = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
            self._in_cell = True

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._in_cell = False

    def handle_data(self, data: str) -> None:
        if self._in_cell:
            self.rows[-1][-1] += data


@pytest.fixture(scope="module")
def latencies_ms() -> Latencies:
    """Skewed latencies of two backends, another spread in every round, so that no two percentiles are alike."""
    random = np.random.default_rng(11)
    return {
        (scenario, name): ms * scenario.batch * random.lognormal(0, 0.5, (ROUNDS, REQUESTS))
        for scenario in (SINGLE, BATCH)
        for name, ms in SPEEDS_MS.items()
    }


@pytest.fixture
def result(make_result: MakeResult, latencies_ms: Latencies) -> Result:
    """A run of these latencies, drawn from its windows as a run's own result is."""
    windows: list[Window] = [
        window(number, scenario, name, rounds[number - 1])
        for number in range(1, ROUNDS + 1)
        for (scenario, name), rounds in latencies_ms.items()
    ]
    made, scenarios = make_result(SPEEDS_MS), (SINGLE, BATCH)
    basis = Basis(seed=1, price_per_hour=PRICE_PER_HOUR)
    return made.model_copy(
        update={
            "windows": tuple(windows),
            "scenarios": scenarios,
            "settings": made.settings.model_copy(update={"price_per_hour": PRICE_PER_HOUR}),
            "summary": summarise(windows, dict.fromkeys(scenarios, tuple(SPEEDS_MS)), "cost", basis),
        }
    )


def from_markdown(result: Result) -> list[list[str]]:
    text = markdown.render(contents(result))
    return [[cell.strip() for cell in line[1:-1].split("|")] for line in text.splitlines() if line.startswith("|")]


def from_the_page(result: Result) -> list[list[str]]:
    document, tables = contents(result), Tables()
    without_charts = tuple(replace(section, charts=()) for section in document.sections)  # they take a second to draw
    tables.feed(page.render(replace(document, sections=without_charts)))
    return [[" ".join(cell.split()) for cell in row] for row in tables.rows]


WRITTEN = pytest.mark.parametrize("rows_of", [from_markdown, from_the_page])


def tables(rows: list[list[str]], *heads: str) -> list[dict[str, str]]:
    """Return the rows of all tables whose heads begin with `heads`, each by its heads."""
    found, current = [], None
    for row in rows:
        if row[: len(heads)] == list(heads):
            current = row
        elif current and len(row) == len(current) and not set(row[0]) <= {"-", ":"}:
            found.append(dict(zip(current, row, strict=True)))
        elif current and len(row) != len(current):
            current = None
    return found


def value(cell: str) -> float:
    """Return a cell's figure, without its interval and what marks a winner."""
    return float(cell.replace("*", "").replace(",", "").split()[0].rstrip(";"))


def seconds_per_image(latencies_ms: npt.NDArray[np.float64], batch: int) -> npt.NDArray[np.float64]:
    """Return each round's: requests follow each other, so it is their mean latency by their images."""
    found: npt.NDArray[np.float64] = latencies_ms.mean(axis=1) / 1e3 / batch
    return found


@WRITTEN
def test_percentiles_are_those_of_all_requests_under_their_own_heads(
    result: Result, latencies_ms: Latencies, rows_of: RowsOf
) -> None:
    rows = tables(rows_of(result), "scenario", "backend", "requests", "failed")
    assert {(row["scenario"], row["backend"]) for row in rows} >= {("single, pixels", name) for name in SPEEDS_MS}
    for row in rows:
        scenario = next(each for each in (SINGLE, BATCH) if each.title == row["scenario"])
        seen = latencies_ms[scenario, row["backend"]].ravel()
        assert (row["requests"], row["failed"]) == (f"{seen.size:,}", "0")
        for head, percent in (("p50", 50), ("p90", 90), ("p99", 99), ("p99.9", 99.9), ("slowest", 100)):
            expected = np.percentile(seen, percent, method="inverted_cdf")
            assert value(row[head]) == pytest.approx(expected, rel=THREE_FIGURES + 1e-3), head
        throughputs = 1 / seconds_per_image(latencies_ms[scenario, row["backend"]], scenario.batch)
        assert value(row["images/s"]) == pytest.approx(np.median(throughputs), rel=THREE_FIGURES)


@WRITTEN
def test_a_million_images_cost_what_the_hours_that_they_take_cost(
    result: Result, latencies_ms: Latencies, rows_of: RowsOf
) -> None:
    rows = tables(rows_of(result), "price of a million images")
    assert [row["price of a million images"] for row in rows] == [SINGLE.title, BATCH.title]
    for row, scenario in zip(rows, (SINGLE, BATCH), strict=True):
        for name in SPEEDS_MS:
            hours = 1e6 * np.median(seconds_per_image(latencies_ms[scenario, name], scenario.batch)) / 3600
            assert value(row[name]) == pytest.approx(PRICE_PER_HOUR * hours, abs=0.006)


@WRITTEN
def test_what_decides_a_scenario_is_the_median_of_its_rounds_with_their_range(
    result: Result, latencies_ms: Latencies, rows_of: RowsOf
) -> None:
    rows = [row for row in tables(rows_of(result), "scenario", "figure") if row["scenario"] == SINGLE.title]
    assert rows
    for row in rows:
        for name in SPEEDS_MS:
            medians = np.percentile(latencies_ms[SINGLE, name], 50, axis=1, method="inverted_cdf")
            figures = row[name].replace("*", "").replace("(", "").replace(" to ", " ").replace(")", "").split()[:3]
            expected = [np.median(medians), medians.min(), medians.max()]  # of five rounds, the interval is their range
            assert [float(each) for each in figures] == pytest.approx(expected, rel=THREE_FIGURES + 1e-3)


@WRITTEN
def test_the_estimates_are_the_latencies_at_mlperf_s_ranks(
    result: Result, latencies_ms: Latencies, rows_of: RowsOf
) -> None:
    """Of 1,200 requests LoadGen discards 94 for the 90th percentile and 3 for the 99th."""
    rows = tables(rows_of(result), "scenario", "backend", "requests", "p90 at most")
    assert [(row["scenario"], row["backend"]) for row in rows] == [(SINGLE.title, name) for name in SPEEDS_MS]
    for row in rows:
        slowest_first = np.sort(latencies_ms[SINGLE, row["backend"]].ravel())[::-1]
        assert value(row["p90 at most"]) == pytest.approx(slowest_first[94], rel=THREE_FIGURES + 1e-3)
        assert value(row["p99 at most"]) == pytest.approx(slowest_first[3], rel=THREE_FIGURES + 1e-3)
