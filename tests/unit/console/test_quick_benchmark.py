"""One benchmark at a time, whichever console is asked."""

import asyncio
import json
import os
from pathlib import Path

import pytest

from server.console import quick_benchmark
from server.console.quick_benchmark import AlreadyRunning, QuickBenchmark, last_report
from server.settings import Settings
from server.state import BENCHMARK, BENCHMARK_OUTPUT


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    found = Settings(bakeoff_home=tmp_path)
    found.home.state.mkdir()
    program = tmp_path / "program"
    program.write_text('#!/bin/sh\necho "round 1/5"\nread line < "$(dirname "$0")/go"\nexit "$line"\n')
    program.chmod(0o755)
    os.mkfifo(tmp_path / "go")
    monkeypatch.setattr(quick_benchmark.sys, "executable", str(program))
    return found


def let_it_end(settings: Settings, status: int) -> None:
    (settings.home.root / "go").write_text(f"{status}\n")


async def ended(benchmark: QuickBenchmark) -> dict[str, object]:
    async with asyncio.timeout(10):
        while (state := benchmark.state())["running"]:
            await asyncio.sleep(0.01)
    return state


@pytest.mark.parametrize("status", [0, 3])
async def test_it_runs_to_its_end_and_can_run_again(settings: Settings, status: int) -> None:
    benchmark = QuickBenchmark(settings)
    assert benchmark.state() == {"running": False, "started": None, "line": None, "status": None}
    for _ in range(2):
        await benchmark.start()
        assert benchmark.state()["running"]
        await asyncio.to_thread(let_it_end, settings, status)
        state = await ended(benchmark)
        assert (state["status"], state["line"]) == (status, "round 1/5")
        await benchmark.close()


@pytest.mark.parametrize("same_console", [True, False])
async def test_a_second_one_is_refused(settings: Settings, same_console: bool) -> None:
    first = QuickBenchmark(settings)
    await first.start()
    second = first if same_console else QuickBenchmark(settings)
    with pytest.raises(AlreadyRunning, match="running already"):
        await second.start()
    assert second.state()["running"]
    await first.close()
    assert not second.state()["running"]


def test_one_that_ended_with_the_server_does_not_run_for_ever(settings: Settings) -> None:
    state = {"running": True, "pid": 2**22 + 1, "status": None, "started": 1.0}
    BENCHMARK.at(settings.bakeoff_home).write_text(json.dumps(state))
    BENCHMARK_OUTPUT.at(settings.bakeoff_home).write_text("")
    found = QuickBenchmark(settings).state()
    assert (found["running"], found["status"]) == (False, 1)


def test_the_newest_report_is_shown(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(quick_benchmark, "ROOT", tmp_path / "checkout")
    assert last_report(settings) is None
    for folder in ("results/2026-01-02", "checkout/results/2026-01-03", "results/2026-01-01"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "report.html").touch()
    found = last_report(settings)
    assert found is not None
    assert found.parent.name == "2026-01-03"
