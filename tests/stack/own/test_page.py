"""The status page over a whole stack: three real servers, of which TensorRT's engine is built for real and run by a double."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from playwright.sync_api import Browser, Page, expect

from server.hardware import gpus
from tests.doubles.collector import Collector, collector
from tests.stack.conftest import TENSORRT_DOUBLE
from tests.stack.stack import ROOT, RunningStack, command_line, same_model, start

pytestmark = pytest.mark.skipif(bool(gpus()), reason="with a GPU the real TensorRT runs, and this double must not")

SHIFT = 24_000
NAMES = ("pytorch", "onnx", "tensorrt")
PROMETHEUS_PORT = 31_990
FORGIVEN = ("ERR_", "503", "404")
"""What Chromium itself writes into the console about answers that are wanted here."""


@pytest.fixture(scope="module")
def traces() -> Iterator[Collector]:
    with collector() as running:
        yield running


@pytest.fixture(scope="module")
def starting(exported: Path, traces: Collector, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    running = start(
        same_model(exported, tmp_path_factory.mktemp("page")),
        SHIFT,
        PYTHONPATH=str(TENSORRT_DOUBLE),
        PROBE_INTERVAL_S="0.5",
        LOG_FORMAT="json",
        LOG_LEVEL="debug",
        OTLP_ENDPOINT=traces.url,
    )
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="module")
def page(browser: Browser, starting: RunningStack) -> Iterator[Page]:
    """Open the page as soon as it is served."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    opened = context.new_page()
    messages: list[str] = []
    opened.on("console", lambda message: messages.append(message.text))
    opened.on("pageerror", lambda error: messages.append(str(error)))
    deadline = time.monotonic() + 60
    while True:
        try:
            httpx.get(starting.url()).raise_for_status()
            break
        except httpx.HTTPError:
            assert time.monotonic() < deadline, starting.log.read_text()[-3000:]
            time.sleep(0.1)
    opened.goto(starting.url())
    opened.evaluate("window.mark = 1")
    yield opened
    assert opened.evaluate("window.mark") == 1, "the page was loaded once, whatever happened since"
    assert [text for text in messages if not any(known in text for known in FORGIVEN)] == []
    context.close()


@pytest.fixture(scope="module")
def three(page: Page, starting: RunningStack) -> RunningStack:
    starting.wait(200)
    expect(page.locator("#verdict")).to_have_attribute("data-state", "ready", timeout=10_000)
    return starting


def port(name: str, kind: str = "http") -> int:
    base = {"pytorch": 8002, "onnx": 8010, "tensorrt": 8020}[name]
    return base + SHIFT + (2 if kind == "metrics" and name != "pytorch" else 0)


def test_a_fresh_start_is_followed_to_ready(page: Page, starting: RunningStack) -> None:
    seen: dict[str, list[str]] = {name: [] for name in NAMES}
    progress: set[str] = set()
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline:
        for name in NAMES:
            state = page.locator(f"#backend-{name} .state strong").inner_text()
            if seen[name][-1:] != [state]:
                seen[name].append(state)
        if seen["tensorrt"][-1] == "compiling":
            progress.add(page.locator('#backend-tensorrt [data-field="progress"]').inner_text())
        if page.locator("#verdict").get_attribute("data-state") == "ready":
            break
        time.sleep(0.1)
    assert all(states[-1] == "ready" for states in seen.values()), seen
    order = ["not reported yet", "starting", "loading", "compiling", "warming", "verifying", "ready"]
    assert seen["tensorrt"] == [state for state in order if state in seen["tensorrt"]]
    assert "compiling" in seen["tensorrt"]
    assert len(progress) >= 3, progress
    assert httpx.get(f"{starting.url()}/ready").status_code == 200


def test_two_photos_go_through_all_three(page: Page, three: RunningStack) -> None:
    for name in ("raccoon", "raccoon portrait"):
        page.get_by_role("button", name=name, exact=True).click()
    expect(page.locator(".sentence")).to_be_visible(timeout=30_000)
    assert page.locator("#results tbody tr").count() == 6
    assert page.locator("#results .message.bad").count() == 0
    assert page.locator("#results").get_by_text("The backends agree:").count() == 2


def test_the_split_has_every_part(three: RunningStack, photo: bytes) -> None:
    for _ in range(
        5
    ):  # the gate's own photo, every few seconds, may come between the two looks at a backend's counters
        answer = httpx.post(f"{three.url()}/try", content=photo, timeout=60).raise_for_status().json()["backends"]
        if all(found["split"]["requests"] == 1 for found in answer.values()):
            break
    assert set(answer) == set(NAMES)
    for name, found in answer.items():
        split = found["split"]
        assert split["requests"] == 1, name
        assert min(split["queue_ms"], split["prepare_ms"], split["compute_ms"], found["total_ms"]) > 0
        assert len(found["embedding"]) == 512


def test_what_is_no_photo_is_said_by_each_backend(three: RunningStack) -> None:
    answer = httpx.post(f"{three.url()}/try", content=b"no photo", timeout=60).raise_for_status().json()["backends"]
    assert set(answer) == set(NAMES)
    assert all("not a JPEG, PNG or WebP image" in found["error"] for found in answer.values())


def test_a_request_id_is_in_the_answer_and_the_log(three: RunningStack) -> None:
    answer = httpx.get(f"{three.url()}/healthz", headers={"X-Request-Id": "seen-again"})
    assert answer.headers["X-Request-Id"] == "seen-again"
    deadline = time.monotonic() + 5
    while '"request_id": "seen-again"' not in three.log.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_one_trace_goes_through_all_three(three: RunningStack, traces: Collector, photo: bytes) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    headers = {"traceparent": f"00-{trace}-b7ad6b7169203331-01", "X-Request-Id": "traced"}
    httpx.post(f"{three.url()}/try", content=photo, headers=headers, timeout=60).raise_for_status()
    deadline = time.monotonic() + 30
    while {span.service for span in traces.of(trace)} != {f"clip-bakeoff-{name}" for name in NAMES}:
        assert time.monotonic() < deadline, {span.service for span in traces.spans}
        time.sleep(0.2)
    ids = {key for span in traces.of(trace) for key, value in span.attributes.items() if value == "traced"}
    assert "bakeoff.request_id" in ids
    assert ids - {"bakeoff.request_id"}, "Triton's spans carry the protocol's id"


def test_the_console_says_the_same(page: Page, three: RunningStack) -> None:
    environment = {**three.environment, "COLUMNS": "160"}
    three.environment.update(environment)
    text = three.bakeoff("status").stdout
    for name in NAMES:
        assert page.locator(f"#backend-{name} .state strong").inner_text() == "ready"
        assert any(line.startswith(f"{name} ") and "ready" in line for line in text.splitlines()), text


@pytest.fixture(scope="module")
def prometheus(three: RunningStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the URL of a real Prometheus with our configuration, its ports and intervals moved."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("no Prometheus here: apt-get install prometheus")
    folder = tmp_path_factory.mktemp("prometheus")
    configuration = yaml.safe_load((ROOT / "deploy" / "prometheus.yml").read_text())
    configuration["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    configuration["rule_files"] = [str(ROOT / "deploy" / "rules.yml")]
    for job in configuration["scrape_configs"]:
        job["static_configs"] = [{"targets": [f"127.0.0.1:{port(job['job_name'], 'metrics')}"]}]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                program, f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{PROMETHEUS_PORT}",
            ],
            stdout=log, stderr=log,
        )  # fmt: skip
    try:
        yield f"http://127.0.0.1:{PROMETHEUS_PORT}"
    finally:
        process.terminate()
        process.wait(20)


def ask(prometheus: str, expression: str) -> dict[str, float]:
    """Return a query's values by the label `job`, or by `backend` where there is one."""
    try:
        answer: dict[str, Any] = httpx.get(f"{prometheus}/api/v1/query", params={"query": expression}).json()
    except (httpx.HTTPError, ValueError):  # it has just started
        return {}
    found = answer.get("data", {}).get("result", ())
    return {one["metric"].get("backend") or one["metric"].get("job", ""): float(one["value"][1]) for one in found}


def settle(prometheus: str, expression: str) -> dict[str, float]:
    """Wait until a query has a value above 0 for all three, and return them."""
    deadline = time.monotonic() + 60
    while True:
        found = ask(prometheus, expression)
        if set(found) >= set(NAMES) and all(found[name] > 0 for name in NAMES):
            return found
        assert time.monotonic() < deadline, (expression, found)
        time.sleep(0.3)


def test_prometheus_scrapes_all_three(prometheus: str, three: RunningStack, photo: bytes) -> None:
    assert settle(prometheus, "up") == dict.fromkeys(NAMES, 1.0)
    assert settle(prometheus, "bakeoff_backend_ready") == dict.fromkeys(NAMES, 1.0)
    for _ in range(8):
        httpx.post(f"{three.url()}/try", content=photo, timeout=60).raise_for_status()
        time.sleep(0.3)
    assert all(rate < 100 for rate in settle(prometheus, "backend:images:rate1m").values())
    assert all(size == 1 for size in settle(prometheus, "backend:batch_size:mean1m").values())
    assert all(0 < mean < 5 for mean in settle(prometheus, "backend:queue_seconds:mean1m").values())
    for quantile in ("0.5", "0.99"):
        latency = settle(prometheus, f'backend:latency_seconds{{quantile="{quantile}"}}')
        assert all(0.001 < seconds < 60 for seconds in latency.values())
    build = ask(prometheus, "bakeoff_engine_build_seconds")
    assert build["pytorch"] > 0
    assert ask(prometheus, "bakeoff_ready") == {"pytorch": 1.0}


@pytest.mark.timeout(600)
def test_the_benchmark_runs_at_the_push_of_the_button(page: Page, three: RunningStack) -> None:
    button = page.get_by_role("button", name="Run it")
    button.click()
    expect(page.locator("#benchmark-message")).to_contain_text("running for", timeout=10_000)
    expect(button).to_be_disabled()
    second = httpx.post(f"{three.url()}/benchmark")
    assert second.status_code == 409
    assert "running already" in second.json()["error"]
    expect(page.locator("#benchmark-message")).to_contain_text(
        "Done:", timeout=500_000
    )  # about a minute where nobody else works
    expect(button).to_be_enabled()
    report = httpx.get(f"{three.url()}/report")
    assert report.status_code == 200
    assert "script-src" not in report.headers["Content-Security-Policy"]
    assert all(name in report.text for name in NAMES)
    assert "<script" not in report.text
    expect(page.locator("#report-link")).to_be_visible()


def test_a_killed_one_is_shown_until_it_is_back(page: Page, three: RunningStack) -> None:
    family = [process for process in three.processes() if "bin/tritonserver" in command_line(process)]
    victim = next(process for process in family if f"--http-port={port('onnx')}" in command_line(process))
    os.kill(victim.pid, signal.SIGKILL)
    expect(page.locator("#verdict")).to_have_attribute("data-state", "working", timeout=15_000)
    expect(page.locator("#backend-onnx .reason")).to_have_text("it stopped answering; supervisord starts it again")
    expect(page.locator("#backend-pytorch .state strong")).to_have_text("ready")
    expect(page.locator("#verdict")).to_have_attribute("data-state", "ready", timeout=120_000)
