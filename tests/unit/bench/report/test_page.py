"""The page: complete in itself, well-formed, and not at the mercy of what others wrote."""

import re
from html.parser import HTMLParser

import pytest

from bench.reference import first_team
from bench.report.charts import MARK_LETTERS, LineChart
from bench.report.comparison import compare
from bench.report.contents import contents
from bench.report.document import Document
from bench.report.page import render
from bench.report.reference import with_reference
from bench.result import Result
from tests.unit.bench.report.synthetic import synthetic_result

LIMIT = 1_500_000
VOID = {"meta", "br", "hr", "link", "img", "input"}


class Reader(HTMLParser):
    """Reads a page, and refuses tags that are not closed in order and ids that occur twice."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.loads: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("src", "href", "xlink:href", "action", "poster", "data", "srcset"):
                self.loads.append(value or "")
            if name == "style":
                self.loads += re.findall(r"url\(([^)]*)\)", value or "")
            assert not name.startswith("on"), f"a script in {tag}"

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    return reader


@pytest.fixture(scope="module", params=["cpu", "reference", "comparison"])
def document(request: pytest.FixtureRequest, gpu_result: Result, cpu_result: Result) -> Document:
    if request.param == "comparison":
        return compare([("first", gpu_result), ("second", synthetic_result({"pytorch": 2.9, "onnx": 3.2}, seed=3))])
    return contents(cpu_result) if request.param == "cpu" else with_reference(contents(gpu_result), first_team())


@pytest.fixture(scope="module")
def page(document: Document) -> str:
    return render(document)


def test_it_is_well_formed_and_its_ids_are_unique(page: str) -> None:
    reader = read(page)
    assert not reader.open
    assert len(reader.ids) == len(set(reader.ids))


def test_it_loads_nothing(page: str) -> None:
    reader = read(page)
    ids = {f"#{each}" for each in reader.ids}
    assert set(reader.loads) <= ids
    assert set(re.findall(r"url\(([^)]*)\)", page)) <= ids  # in a style sheet too
    assert reader.loads
    assert "@import" not in page
    assert "<script" not in page
    assert "default-src 'none'" in page


def test_it_is_small(page: str) -> None:
    assert len(page.encode()) < LIMIT


def test_every_chart_is_there_twice_with_every_point_named_and_its_table(page: str, document: Document) -> None:
    for chart in document.charts:
        figure = page.split(f'<figure id="{chart.key}">')[1].split("</figure>")[0]
        assert figure.count("<svg ") == 2
        assert figure.count('role="img"') == 2
        if isinstance(chart, LineChart):
            assert figure.count("<title>") == 2 * len(chart.spots)
            assert figure.count("<tr>") == 1 + len(chart.spots)


def test_the_decision_is_above_everything_else(page: str, document: Document) -> None:
    words = " ".join(" ".join(read(page).words).split()).replace("\xa0", " ")
    assert words.partition("/* the end of the style */ ")[2].startswith(f"{document.title} {document.decision[:40]}")


def test_marks_are_explained_where_they_occur(page: str, document: Document) -> None:
    for chart in document.charts:
        figure = page.split(f'<figure id="{chart.key}">')[1].split("</figure>")[0]
        explained = set(re.findall(r"<b>(.)</b> ([a-z-]+): ", figure))
        marks = chart.marks if isinstance(chart, LineChart) else []
        assert explained == {(MARK_LETTERS[mark], mark) for mark in marks}


def test_what_others_wrote_is_shown_and_not_obeyed() -> None:
    hostile = "<script>alert(1)</script> [x](javascript:alert(1)) ![i](http://example.org/i.png) **b**"
    result = synthetic_result({"pytorch": 4.0, "onnx": 3.0}, problems={"onnx": hostile}, batches=(2,))
    result = result.model_copy(
        update={
            "command": hostile,
            "machine": result.machine.model_copy(update={"cpu": hostile, "os": hostile}),
            "photos": result.photos.model_copy(update={"folder": hostile}),
        }
    )
    page = render(contents(result))
    reader = read(page)
    assert set(reader.loads) <= {f"#{each}" for each in reader.ids}
    assert "<script" not in page
    assert "<script>alert(1)</script>" in "".join(reader.words)
