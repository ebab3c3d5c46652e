"""Keeping one backend at the push of a button, and what the page says of it, over recorded documents."""

import copy
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from server import kept
from tests.browser.recorded_states import Answer, invented_skip, put, recorded
from tests.browser.test_status_page import PAPER, WIDTHS, Stack, accessibility_problems, opened
from tests.doubles.running import recorded_stack


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    home = tmp_path_factory.mktemp("keep")
    with recorded_stack(home=home) as server:
        yield Stack(server, home)


@pytest.fixture
def page(browser: Browser, stack: Stack) -> Iterator[Page]:
    yield from opened(browser, stack.url, ["503", "409"])


def declared(**changes: Any) -> Answer:
    """Return the document of a gate that has carried a choice out: onnx alone is served."""
    answer = copy.deepcopy(recorded("ready"))
    answer["ready"]["backends"] = {"onnx": answer["ready"]["backends"]["onnx"]}
    answer["ready"]["kept"] = {
        "backends": ["onnx"], "by": "me@here", "when": datetime.now(UTC).isoformat(), "result": "a-run",
        "sentence": "onnx is the winner.", "outranked": None, "waits_for": None, "ending": [], "ended": {}, "done": True,
        **changes,
    }  # fmt: skip
    return answer


def chosen(home: Path) -> tuple[str, ...] | None:
    found = kept.read(home)
    return found.backends if found else None


def test_it_is_asked_once_more_and_only_then_done(stack: Stack, page: Page) -> None:
    put(stack.home, recorded("ready"))
    page.goto(stack.url)
    expect(page.get_by_role("button", name="Have all back")).to_be_disabled()
    page.get_by_role("button", name="Keep onnx").click()
    dialog = page.get_by_role("dialog", name="Keep only onnx?")
    expect(dialog).to_contain_text("pytorch and tensorrt finish what they have accepted and are ended")
    assert accessibility_problems(page) == ""
    dialog.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Keep onnx").click()
    page.keyboard.press("Escape")
    assert chosen(stack.home) is None
    page.get_by_role("button", name="Keep onnx").click()
    with page.expect_response("**/keep") as answer:
        dialog.get_by_role("button", name="Do it").click()
    assert answer.value.status == 202
    assert chosen(stack.home) == ("onnx",)


def test_who_keeps_what_and_why_is_said(stack: Stack, page: Page) -> None:
    put(stack.home, declared())
    page.goto(stack.url)
    today = datetime.now(UTC).date()
    expect(page.locator("#kept")).to_have_text(
        f"Kept: onnx, by me@here on {today}, because of a-run: onnx is the winner"
    )
    expect(page.locator("#backend-onnx .state strong")).to_have_text("ready")
    for name in ("pytorch", "tensorrt"):
        expect(page.locator(f"#backend-{name} .state strong")).to_have_text("not kept")
        expect(page.locator(f"#backend-{name} .charts")).to_be_hidden()
        expect(page.get_by_role("button", name=f"Keep {name}")).to_be_enabled()
    expect(page.get_by_role("button", name="Keep onnx")).to_be_disabled()
    expect(page.get_by_role("button", name="Have all back")).to_be_enabled()
    for theme in PAPER:
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 844})
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert accessibility_problems(page) == "", (theme, width)


def test_while_it_is_carried_out_nothing_else_can_be_chosen(stack: Stack, page: Page) -> None:
    put(stack.home, declared(ending=["pytorch"], done=False))
    page.goto(stack.url)
    expect(page.locator("#kept")).to_contain_text("; pytorch is ending")
    expect(page.locator("#backend-pytorch .state strong")).to_have_text("ending")
    expect(page.locator("#backend-tensorrt .state strong")).to_have_text("not kept")
    expect(page.locator("#keep-buttons button:not(:disabled)")).to_have_count(0)


def test_one_that_was_never_started_because_it_cannot_run_cannot_be_kept(stack: Stack, page: Page) -> None:
    put(stack.home, declared(unavailable={"tensorrt": "TensorRT needs an NVIDIA GPU"}))
    page.goto(stack.url)
    expect(page.get_by_role("button", name="Keep pytorch")).to_be_enabled()
    expect(page.get_by_role("button", name="Keep tensorrt")).to_be_disabled()
    expect(page.get_by_role("button", name="Keep tensorrt")).to_have_attribute("title", "TensorRT needs an NVIDIA GPU")


def test_what_outranks_a_choice_is_said(stack: Stack, page: Page) -> None:
    answer = copy.deepcopy(recorded("ready"))
    answer["ready"]["kept"] = declared(outranked="BACKENDS=pytorch,onnx is set and outranks onnx")["ready"]["kept"]
    put(stack.home, answer)
    page.goto(stack.url)
    expect(page.locator("#kept")).to_have_text("BACKENDS=pytorch,onnx is set and outranks onnx")


def test_one_that_cannot_run_cannot_be_kept_and_a_refusal_is_said(stack: Stack, page: Page) -> None:
    put(stack.home, invented_skip())
    page.goto(stack.url)
    expect(page.get_by_role("button", name="Keep onnx")).to_be_enabled()
    expect(page.get_by_role("button", name="Keep tensorrt")).to_be_disabled()
    page.get_by_role("button", name="Keep onnx").click()
    busy = declared(ending=["pytorch"], done=False)
    put(stack.home, busy)  # somebody else was faster
    page.get_by_role("button", name="Do it").click()
    expect(page.locator("#keep-message")).to_contain_text(
        "the choice before is being carried out (pytorch is being ended)"
    )
