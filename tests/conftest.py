"""One Chromium for the pages of a module; how the suite is dealt out and timed lies in `rings`."""

import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.rings import pytest_collection_modifyitems, pytest_terminal_summary, pytest_xdist_make_scheduler

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["pytest_collection_modifyitems", "pytest_terminal_summary", "pytest_xdist_make_scheduler"]

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")  # while Playwright runs, no other event loop can: its thread has one already
def browser() -> "Iterator[Browser]":
    if CHROMIUM is None:
        pytest.skip("no Chromium here; apt-get install chromium")
    from playwright.sync_api import sync_playwright  # no other test needs it

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()
