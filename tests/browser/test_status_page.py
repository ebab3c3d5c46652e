"""The status page in a real browser, over documents recorded in a real run: every state, both themes, a phone, a key."""

import copy
import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route, expect

from server.console_paths import SAMPLES
from server.state import READINESS
from tests.browser.recorded_states import (
    WHY_FAILED,
    WHY_SKIPPED,
    Answer,
    invented_failure,
    invented_gpu,
    invented_skip,
    put,
    recorded,
)
from tests.doubles.running import RunningServer, prefix_proxy, recorded_stack

KEY = "the-key"
LIMIT_BYTES = 150_000
WIDTHS = (390, 1280)
"""CSS pixels, of a phone and of a screen."""

PAPER = {"light": "rgb(255, 255, 255)", "dark": "rgb(15, 20, 25)"}
"""The page's background in each theme."""

STATES: dict[str, Callable[[], Answer]] = {
    "ready": lambda: recorded("ready"),
    "compiling": lambda: recorded("compiling"),
    "killed": lambda: recorded("killed"),
    "invented-skip": invented_skip,
    "invented-failure": invented_failure,
    "invented-gpu": invented_gpu,
}


@dataclass(frozen=True)
class Stack:
    server: RunningServer
    home: Path

    @property
    def url(self) -> str:
        return self.server.url

    def put(self, answer: Answer) -> None:
        put(self.home, answer)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    home = tmp_path_factory.mktemp("recorded")
    with recorded_stack(home=home) as server:
        yield Stack(server, home)


@pytest.fixture
def expected_messages() -> list[str]:
    """What the browser itself says of answers that a test wants; anything else in the console is an error."""
    return []


@pytest.fixture
def page(browser: Browser, stack: Stack, expected_messages: list[str]) -> Iterator[Page]:
    yield from opened(browser, stack.url, expected_messages)


def opened(browser: Browser, url: str, expected_messages: list[str]) -> Iterator[Page]:
    """Open nothing yet; afterwards nothing was asked of another host and the console is empty."""
    context = browser.new_context(viewport={"width": 1280, "height": 844})
    made = context.new_page()
    messages: list[str] = []
    hosts: set[str] = set()
    made.on("console", lambda message: messages.append(message.text))
    made.on("pageerror", lambda error: messages.append(str(error)))
    made.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    yield made
    assert [text for text in messages if not any(known in text for known in expected_messages)] == []
    assert hosts <= {urlsplit(url).netloc, ""}  # the empty one is of pictures in memory
    context.close()


def accessibility_problems(page: Page) -> str:
    """Return axe's report, empty when it has found nothing."""
    found = Axe().run(page)
    return str(found.generate_report()) if found.violations_count else ""


def column(page: Page, name: str) -> str:
    return page.locator(f"#backend-{name}").inner_text()


@pytest.mark.parametrize("state", list(STATES))
def test_nothing_is_cut_off_and_axe_finds_nothing(stack: Stack, page: Page, state: str) -> None:
    stack.put(STATES[state]())
    page.goto(stack.url)
    expect(page.locator("#backend-tensorrt .state strong")).to_have_text(
        STATES[state]()["ready"]["backends"]["tensorrt"]["state"]
    )
    for theme, paper in PAPER.items():
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 844})
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert accessibility_problems(page) == "", (theme, width)
            assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == paper


def test_weights_that_stand_in_are_said_once_with_the_reason(stack: Stack, page: Page) -> None:
    answer = copy.deepcopy(recorded("ready"))
    answer["ready"]["model"] |= {
        "embeddings_meaningful": False,
        "note": "the weights of 'openai' could not be downloaded (no network)",
    }
    stack.put(answer)
    page.goto(stack.url)
    expect(page.locator("#notice")).to_have_text(
        "Random weights: speeds are real, embeddings mean nothing; the weights of 'openai' could not be downloaded (no network)."
    )


def test_it_is_small(stack: Stack, page: Page) -> None:
    stack.put(recorded("ready"))
    sizes: list[int] = []
    page.on("response", lambda response: sizes.append(len(response.body())))
    page.goto(stack.url)
    expect(page.locator(".samples img")).to_have_count(len(SAMPLES))
    page.wait_for_load_state("networkidle")
    assert len(sizes) > 10 + len(SAMPLES)
    assert sum(sizes) < LIMIT_BYTES


def test_it_is_there_before_the_gate(stack: Stack, page: Page) -> None:
    READINESS.at(stack.home).unlink(missing_ok=True)
    page.goto(stack.url)
    expect(page.locator("#verdict-text")).to_have_text("not ready: the readiness gate has not started yet")
    expect(page.locator("article.backend")).to_have_count(3)


def test_a_start_is_followed_without_reloading(stack: Stack, page: Page) -> None:
    stack.put(recorded("compiling"))
    page.goto(stack.url)
    tensorrt = page.locator("#backend-tensorrt")
    expect(tensorrt.locator("strong")).to_have_text("compiling")
    assert float(tensorrt.locator("progress").get_attribute("value") or 0) == pytest.approx(0.562)
    expect(tensorrt.locator('[data-field="progress"]')).to_have_text(
        "Computing profile costs · 56 % · about 4.5 s left"
    )
    expect(page.locator("#run-benchmark")).to_be_disabled()
    page.evaluate("window.mark = 1")
    stack.put(recorded("ready"))
    expect(tensorrt.locator("strong")).to_have_text("ready")
    expect(page.locator("#announcer")).to_have_text("tensorrt: ready")
    expect(page.locator("#verdict-text")).to_contain_text("ready since")
    expect(page.locator("#run-benchmark")).to_be_enabled()
    assert page.evaluate("window.mark") == 1


def test_a_ready_column_says_what_the_documents_say(stack: Stack, page: Page) -> None:
    stack.put(recorded("ready"))
    page.goto(stack.url)
    expect(page.locator("#backend-onnx strong")).to_have_text("ready")
    words = column(page, "onnx")
    for part in (
        "Triton, ONNX Runtime",
        "HTTP 8010",
        "gRPC 8011",
        "metrics 8012",
        "FP32",
        "128",
        "8.2e-7 of 0.001",
    ):
        assert part in words
    history = recorded("ready")["history"]["backends"]["onnx"]
    expect(page.locator("#backend-onnx figcaption .value").first).to_have_text(
        f"{history['images_per_s'][-1]:.2f} images/s"
    )
    assert f"p50 {history['p50_ms'][-1]:.0f}" in words
    heights = page.evaluate(
        "[...document.querySelectorAll('.backend .charts')].map(c => c.getBoundingClientRect().top)"
    )
    assert len(set(heights)) == 1, "the columns' charts stand on one line"


def test_charts_have_the_same_scale_in_every_column(stack: Stack, page: Page) -> None:
    stack.put(recorded("ready"))
    page.goto(stack.url)
    expect(page.locator("#backend-onnx .plot .top").first).not_to_have_text("")
    tops = [page.locator(f"#backend-{name} .plot .top").all_inner_texts() for name in ("pytorch", "onnx", "tensorrt")]
    assert tops[0] == tops[1] == tops[2]


def test_a_skipped_one_says_why_and_does_not_keep_from_ready(stack: Stack, page: Page) -> None:
    stack.put(invented_skip())
    page.goto(stack.url)
    expect(page.locator("#backend-tensorrt .reason")).to_have_text(WHY_SKIPPED)
    expect(page.locator("#backend-tensorrt .charts")).to_be_hidden()
    expect(page.locator("#verdict")).to_have_attribute("data-state", "ready")


def test_a_failed_one_says_why(stack: Stack, page: Page) -> None:
    stack.put(invented_failure())
    page.goto(stack.url)
    expect(page.locator("#backend-tensorrt .reason")).to_have_text(WHY_FAILED)
    expect(page.locator("#verdict-text")).to_have_text("not ready: tensorrt failed")
    expect(page.locator("#startup")).to_contain_text("compiling 31 s · failed")


def test_a_gpu_is_shown_for_the_machine_and_each_backend(stack: Stack, page: Page) -> None:
    stack.put(invented_gpu())
    page.goto(stack.url)
    expect(page.locator("#machine")).to_contain_text("GPU utilisation62 %")
    expect(page.locator("#backend-tensorrt")).to_contain_text("GPU memory4.00 GiB")


def test_a_gate_that_is_gone_is_not_believed(stack: Stack, page: Page) -> None:
    stack.put(recorded("ready"))
    file = READINESS.at(stack.home)
    document = json.loads(file.read_text())
    file.write_text(json.dumps({**document, "updated": time.time() - 60, "updated_boot_s": -60}))
    page.goto(stack.url)
    expect(page.locator("#verdict-text")).to_contain_text("the readiness gate has not reported for")


def test_it_says_when_the_server_is_gone_and_recovers(stack: Stack, page: Page, expected_messages: list[str]) -> None:
    expected_messages.append("ERR_")
    stack.put(recorded("ready"))
    page.goto(stack.url)
    expect(page.locator("#verdict")).to_have_attribute("data-state", "ready")
    page.context.set_offline(True)
    expect(page.locator("#verdict-text")).to_have_text("port 8002 does not answer; asking again", timeout=10_000)
    assert page.locator(".backend[data-stale]").count() == 3
    page.context.set_offline(False)
    stack.put(recorded("ready"))
    expect(page.locator("#verdict")).to_have_attribute("data-state", "ready", timeout=10_000)


def answer_with_recorded_embeddings(page: Page) -> list[int]:
    """Answer photos with what the backends answered in the recorded run; no model is behind this server."""
    sizes: list[int] = []
    answers = [recorded("try"), copy.deepcopy(recorded("try"))]
    for found in answers[1]["backends"].values():
        found["embedding"] = [-value if index % 40 == 0 else value for index, value in enumerate(found["embedding"])]

    def fulfil(route: Route) -> None:
        sizes.append(len(route.request.post_data_buffer or b""))
        route.fulfill(json=answers[min(len(sizes), 2) - 1])

    page.route("**/try", fulfil)
    return sizes


DROP = """([names, data]) => {
    const transfer = new DataTransfer();
    names.forEach((name, at) => transfer.items.add(new File([new Uint8Array(data[at])], name, {type: "image/jpeg"})));
    for (const kind of ["dragenter", "dragover", "drop"])
        document.getElementById("drop").dispatchEvent(
            new DragEvent(kind, {dataTransfer: transfer, bubbles: true, cancelable: true}));
}"""


def test_two_dropped_photos_are_compared_at_a_threshold(stack: Stack, page: Page) -> None:
    stack.put(recorded("ready"))
    sizes = answer_with_recorded_embeddings(page)
    page.goto(stack.url)
    expect(page.locator(".samples img")).to_have_count(len(SAMPLES))
    page.evaluate(DROP, [["one.jpg", "two.jpg"], [[1, 2, 3], [4, 5, 6, 7]]])
    expect(page.locator(".sentence")).to_contain_text("one.jpg and two.jpg are")
    assert sizes == [3, 4]
    assert page.locator("#results tbody tr").count() == 6
    expect(page.locator("#results")).to_contain_text("The backends agree: cosine at least 1.000000")
    slider = page.get_by_label("Near-duplicate from a cosine of")
    slider.fill("0.5")
    expect(page.locator(".sentence")).to_contain_text("are near-duplicates (cosine")
    slider.fill("1")
    expect(page.locator(".sentence")).to_contain_text("are different photos (cosine")
    expect(page.locator(".sentence")).to_contain_text("The weights are random, so this means nothing.")
    assert accessibility_problems(page) == ""


def test_a_bundled_photo_is_taken_with_the_keyboard(stack: Stack, page: Page) -> None:
    stack.put(recorded("ready"))
    sizes = answer_with_recorded_embeddings(page)
    page.goto(stack.url)
    button = page.get_by_role("button", name="cat", exact=True)
    button.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#results tbody tr")).to_have_count(3)
    expect(button).to_have_attribute("aria-pressed", "true")
    assert sizes[0] == len(httpx.get(f"{stack.url}/page/photos/cat.jpg").content)
    page.keyboard.press("Enter")
    expect(page.locator("#results tbody tr")).to_have_count(0)


def test_a_photo_that_cannot_be_sent_is_said(stack: Stack, page: Page, expected_messages: list[str]) -> None:
    expected_messages.append("503")
    stack.put(invented_skip())
    page.goto(stack.url)
    page.route("**/try", lambda route: route.fulfill(status=503, json={"error": "no backend is ready"}))
    page.set_input_files("#files", [{"name": "a.jpg", "mimeType": "image/jpeg", "buffer": b"x"}])
    expect(page.locator("#try-message")).to_have_text("no backend is ready")


def test_the_benchmark_is_refused_while_not_ready(stack: Stack) -> None:
    stack.put(recorded("compiling"))
    answer = httpx.post(f"{stack.url}/benchmark")
    assert answer.status_code == 503
    assert "needs every backend ready" in answer.json()["error"]


def test_a_key_is_asked_for_once(browser: Browser, tmp_path: Path, expected_messages: list[str]) -> None:
    expected_messages.append("401")
    put(tmp_path, recorded("ready"))
    with recorded_stack(home=tmp_path, key=KEY) as server:
        assert httpx.get(f"{server.url}/live").status_code == 401
        assert httpx.get(f"{server.url}/").status_code == 200
        for page in opened(browser, server.url, expected_messages):
            page.goto(server.url)
            dialog = page.get_by_role("dialog")
            expect(dialog).to_be_visible()
            assert accessibility_problems(page) == ""
            page.keyboard.press("Escape")
            page.get_by_label("Key", exact=True).fill("wrong")
            page.keyboard.press("Enter")
            expect(dialog).to_contain_text("That key does not open this server")
            put(tmp_path, recorded("ready"))
            page.get_by_label("Key", exact=True).fill(KEY)
            page.keyboard.press("Enter")
            expect(page.locator("#verdict")).to_have_attribute("data-state", "ready")
            put(tmp_path, recorded("ready"))
            page.reload()
            expect(page.locator("#verdict")).to_have_attribute("data-state", "ready")
            expect(dialog).to_be_hidden()
            assert page.evaluate("localStorage.length") == 0
            with page.expect_popup() as popup:
                page.get_by_role("link", name="Metrics").click()
            popup.value.wait_for_url(re.compile("^blob:"))
            expect(popup.value.locator("body")).to_contain_text('bakeoff_errors_total{reason="unauthorized"}')


def test_scripts_come_from_this_server_only(stack: Stack) -> None:
    policy = httpx.get(f"{stack.url}/").headers["Content-Security-Policy"]
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert directives["script-src"] == "'self'"
    assert directives["default-src"] == "'none'"
    assert "<script>" not in httpx.get(f"{stack.url}/").text


def test_the_documents_are_pages_and_their_links_lead_somewhere(stack: Stack, page: Page) -> None:
    page.goto(f"{stack.url}/guide/README.md")
    links = page.eval_on_selector_all(
        "main a[href]:not([href^='#']):not([href^='http']), main img",
        "all => all.map(each => each.getAttribute('href') ?? each.getAttribute('src'))",
    )
    assert len(links) > 10
    for link in set(links):
        path, _, anchor = link.partition("#")
        answer = httpx.get(urljoin(page.url, path))
        assert answer.status_code == 200, link
        assert not anchor or f'id="{anchor}"' in answer.text, link
    assert accessibility_problems(page) == ""


@pytest.fixture(scope="module")
def prefixed(stack: Stack) -> Iterator[str]:
    with prefix_proxy(target=stack.url, prefix="/stack") as proxy:
        yield proxy.url


def test_everything_works_behind_a_prefix(stack: Stack, browser: Browser, prefixed: str) -> None:
    stack.put(recorded("ready"))
    asked: list[str] = []
    for page in opened(browser, prefixed, []):
        page.on("request", lambda request: asked.append(request.url))
        sizes = answer_with_recorded_embeddings(page)
        page.goto(f"{prefixed}/")
        expect(page.locator("#verdict")).to_have_attribute("data-state", "ready")
        page.get_by_role("button", name="cat", exact=True).click()
        expect(page.locator("#results tbody tr")).to_have_count(3)
        assert sizes[0] > 1000
        assert page.locator(".samples img").evaluate_all("all => all.every((each) => each.naturalWidth > 0)")
        page.get_by_role("link", name="Docs").click()
        page.get_by_role("link", name="docs/report.md", exact=True).first.click()
        expect(page.locator("h1")).to_have_text("The report")
        stack.put(recorded("ready"))
        page.get_by_role("link", name="Status").click()
        expect(page.locator("#verdict")).to_have_attribute("data-state", "ready")
        page.get_by_role("link", name="Metrics").click()
        expect(page.locator("body")).to_contain_text("bakeoff_errors_total")
        assert [url for url in asked if not url.startswith((f"{prefixed}/", "blob:"))] == []


def test_the_openapi_document_is_found_behind_a_prefix(prefixed: str) -> None:
    shown = httpx.get(f"{prefixed}/docs").text
    (address,) = re.findall(r'href="([^"]+json)"', shown)
    document = urljoin(f"{prefixed}/docs", address)
    assert urljoin(document, httpx.get(document).json()["servers"][0]["url"]) == f"{prefixed}/"


def test_a_redirect_stays_behind_the_prefix(prefixed: str) -> None:
    answer = httpx.get(f"{prefixed}/live/?since=5", follow_redirects=True)
    assert str(answer.url) == f"{prefixed}/live?since=5"
    assert answer.status_code == 200
    assert httpx.get(f"{prefixed}/nothing/", follow_redirects=True).status_code == 404
