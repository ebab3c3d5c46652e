"""Starting the stack in the background."""

from pathlib import Path

import pytest
from rich.console import Console

from bakeoff import stack, status_table
from server.settings import Settings
from tests.browser.recorded_states import WHY_FAILED, invented_failure, put


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # it is left running, as it should be
def test_an_earlier_failure_is_not_told_of_a_new_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(bakeoff_home=tmp_path)
    put(tmp_path, invented_failure())
    monkeypatch.setattr(stack, "ENTRYPOINT", "/bin/true")
    stack.start_detached(settings)
    monkeypatch.setattr(stack, "running", lambda _: None)
    console = Console(width=200, record=True)
    problem = status_table.wait_until_ready(settings, console)
    assert problem is not None
    assert "the stack is not running" in problem
    assert WHY_FAILED not in console.export_text() + problem
