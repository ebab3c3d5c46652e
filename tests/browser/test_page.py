"""The page in a real browser: nothing is asked of the network, nothing is cut off, in both themes, on a phone and on a screen."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from bench.reference import first_team
from bench.report.comparison import compare
from bench.report.contents import contents
from bench.report.page import render
from bench.report.reference import with_reference
from tests.unit.bench.report.synthetic import synthetic_result

WIDTHS = {"phone": 390, "screen": 1280}
PAPER = {"light": "rgb(255, 255, 255)", "dark": "rgb(15, 20, 25)"}


@pytest.fixture(scope="session", params=["run", "comparison"])  # so that each is drawn once, whatever else changes
def file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    result = synthetic_result({"pytorch": 4.1, "onnx": 3.2, "tensorrt": 2.2}, meaningful=False)
    if request.param == "run":
        document = with_reference(contents(result), first_team())
    else:
        document = compare([("first", result), ("second", synthetic_result({"pytorch": 3.0, "onnx": 3.3}, seed=2))])
    made = tmp_path_factory.mktemp("page") / "report.html"
    made.write_text(render(document), encoding="utf-8")
    return made


@pytest.fixture(scope="module", params=["light", "dark"])
def theme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module", params=list(WIDTHS))
def page(request: pytest.FixtureRequest, browser: Browser, file: Path, theme: str) -> Iterator[Page]:
    context = browser.new_context(
        viewport={"width": WIDTHS[request.param], "height": 844},
        color_scheme=theme,  # type: ignore[arg-type]
    )
    opened = context.new_page()
    messages: list[str] = []
    asked: list[str] = []
    opened.on("console", lambda message: messages.append(message.text))
    opened.on("pageerror", lambda error: messages.append(str(error)))
    opened.on("request", lambda request: asked.append(request.url))
    opened.goto(file.as_uri())
    yield opened
    assert messages == []
    assert set(asked) == {file.as_uri()}
    context.close()


def test_it_fits_into_the_width(page: Page) -> None:
    for details in page.query_selector_all("details"):
        details.evaluate("each => { each.open = true }")
    assert page.evaluate("document.documentElement.scrollWidth") <= page.evaluate("window.innerWidth")
    page.reload()  # the other tests look at it as it opens


def test_it_follows_the_theme(page: Page, theme: str) -> None:
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == PAPER[theme]
    colours = page.evaluate("[...document.querySelectorAll('svg text')].map(t => getComputedStyle(t).fill)")
    assert colours
    assert PAPER[theme] not in colours


def test_one_variant_of_each_picture_is_shown(page: Page) -> None:
    shown = page.evaluate(
        "[...document.querySelectorAll('figure')].map("
        "f => [...f.querySelectorAll('svg')].filter(s => s.getBoundingClientRect().width > 0).length)"
    )
    assert shown
    assert set(shown) == {1}


def test_no_text_within_a_picture_is_cut_off_or_too_small(page: Page) -> None:
    looked_at, problems = page.evaluate(
        """() => {
            const found = [];
            let texts = 0;
            for (const svg of document.querySelectorAll('figure svg')) {
                const box = svg.getBoundingClientRect();
                if (!box.width) continue;
                for (const text of svg.querySelectorAll('text')) {
                    const at = text.getBoundingClientRect();
                    const outside = at.left < box.left - 1 || at.right > box.right + 1
                        || at.top < box.top - 1 || at.bottom > box.bottom + 1;
                    const size = parseFloat(getComputedStyle(text).fontSize) * box.width / svg.viewBox.baseVal.width;
                    texts++;
                    if (outside || size < 9) found.push(`${svg.closest('figure').id}: ${text.textContent} ${size}`);
                }
            }
            return [texts, found];
        }"""
    )
    assert looked_at > 20
    assert problems == []


def test_no_labels_of_an_axis_overlap(page: Page) -> None:
    looked_at, problems = page.evaluate(
        """() => {
            const found = [];
            let pairs = 0;
            for (const svg of document.querySelectorAll('figure svg')) {
                if (!svg.getBoundingClientRect().width) continue;
                for (const axis of svg.querySelectorAll('g[id*="matplotlib.axis"]')) {
                    const boxes = [...axis.querySelectorAll('g[id*="tick"] text')].map(t => t.getBoundingClientRect());
                    for (let i = 1; i < boxes.length; i++) {
                        pairs++;
                        const [a, b] = [boxes[i - 1], boxes[i]];
                        if (a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom)
                            found.push(`${svg.closest('figure').id}: ${axis.id}`);
                    }
                }
            }
            return [pairs, found];
        }"""
    )
    assert looked_at > 20
    assert problems == []


def test_the_decision_is_seen_without_scrolling(page: Page) -> None:
    box = page.locator(".decision").bounding_box()
    assert box is not None
    assert box["y"] + box["height"] < 844
