"""`bakeoff bench` from end to end, against doubles that sleep: what it writes, keeps, and goes on with."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil
import pytest
from PIL import Image

from bench.result import Result, load_result
from tests.doubles.running import sleeping_server, tls_proxy

ROOT = Path(__file__).parents[3]
BUDGET_S = "14"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A `/ready` that names two backends, of which one takes twice as long."""
    with (
        sleeping_server(mean_ms=40, name="onnx", distribution="lognormal", sigma=0.1) as slow,
        sleeping_server(
            mean_ms=20, name="pytorch", distribution="lognormal", sigma=0.1, peer=[f"onnx={slow.url}"]
        ) as fast,
    ):
        yield fast.url


def command(url: str, results: Path, *arguments: str) -> list[str]:
    words = [sys.executable, "-m", "bakeoff", "bench", "--url", url, "--results", str(results)]
    return [*words, "--time-budget", BUDGET_S, *arguments]


def bench(url: str, results: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command(url, results, *arguments), cwd=ROOT, capture_output=True, text=True, timeout=240, check=False
    )


@dataclass(frozen=True)
class QuickRun:
    """A `bakeoff bench --quick` that goes on, and what it prints."""

    process: "subprocess.Popen[str]"
    lines: Iterator[str]

    def until(self, words: str) -> str:
        """Return what it printed, up to and including the line that begins with `words`."""
        output = ""
        for line in self.lines:
            output += line
            if line.startswith(words):
                return output
        raise AssertionError(f"it ended before {words!r}:\n{output}")

    def rest(self) -> str:
        """Return all that it printed from there to its end."""
        return "".join(self.lines)


@contextmanager
def quick_run(url: str, results: Path) -> Iterator[QuickRun]:
    """Start one; whoever leaves waits for its end."""
    with subprocess.Popen(
        command(url, results, "--quick"), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:  # fmt: skip
        assert process.stdout is not None
        yield QuickRun(process, process.stdout)


def only_result(results: Path) -> Result:
    (folder,) = [path for path in results.iterdir() if not path.name.startswith(".")]
    return load_result(folder)


def test_a_quick_run_names_the_faster_backend_and_writes_it_all_down(url: str, tmp_path: Path) -> None:
    done = bench(url, tmp_path, "--quick", "--goal", "latency")
    assert done.returncode == 0, done.stderr
    assert "Lowest latency: pytorch" in done.stdout
    result = only_result(tmp_path)
    assert (result.summary.winner, result.complete_rounds, result.interrupted) == ("pytorch", 5, False)
    assert result.summary.recommendations["latency"].ahead["onnx"].value == pytest.approx(2, rel=0.25)
    assert result.fairness.unfair == ()
    assert {each.agrees for each in (*result.parity_before, *result.parity_after)} == {True}
    assert {point.backend for point in result.summary.points} == {"onnx", "pytorch"}
    assert all(point.client_bound is None for point in result.summary.points)
    assert {window.backend for window in result.windows} == {"onnx", "pytorch"}
    assert all(window.split and window.split.total_ns > 1e7 for window in result.windows)
    assert len(result.null_server) == 4


def test_the_other_scenarios_are_measured_too(url: str, tmp_path: Path) -> None:
    kinds = ("concurrency", "server", "offline", "startup")
    done = bench(url, tmp_path, *(word for kind in kinds for word in ("--scenario", kind)), "--p99-ms", "150")
    assert done.returncode == 0, done.stderr
    result = only_result(tmp_path)
    assert {each.kind for each in result.scenarios} == {"concurrency", "server", "offline"}
    assert {each.backend: each.ready_s for each in result.startup} == {"onnx": 1.0, "pytorch": 1.0}
    assert {point.scenario.kind for point in result.summary.points} == {"concurrency", "server", "offline"}
    for point in result.summary.points:
        assert point.problem is None
        if point.scenario.kind == "server":
            assert point.server is not None
            assert len(point.server.rates) >= 4
            assert len({window.step for window in result.windows if window.scenario == point.scenario}) >= 4


def test_ctrl_c_keeps_the_complete_rounds_and_resume_goes_on(url: str, tmp_path: Path) -> None:
    with quick_run(url, tmp_path) as run:
        output = run.until("round 3/5")
        time.sleep(0.3)
        run.process.send_signal(signal.SIGINT)
        output += run.rest()
        assert run.process.wait(60) == 0, output
    assert "interrupted: 2 of 5 rounds are complete and kept" in output
    first = only_result(tmp_path)
    assert (first.interrupted, first.complete_rounds, first.resumed) == (True, 2, 0)
    (folder,) = [path for path in tmp_path.iterdir() if not path.name.startswith(".")]

    other = bench(url, tmp_path, "--quick", "--resume", str(folder), "--seed", "5")
    assert other.returncode == 1
    assert "seed was 0 and is 5" in other.stderr

    done = bench(url, tmp_path, "--quick", "--resume", str(folder))
    assert done.returncode == 0, done.stderr
    whole = only_result(tmp_path)
    assert (whole.interrupted, whole.complete_rounds, whole.resumed) == (False, 5, 1)
    assert [each for each in whole.windows if each.round <= 2] == list(first.windows)
    assert whole.started == first.started

    again = bench(url, tmp_path, "--quick", "--resume", str(folder))
    assert "is complete" in again.stderr


def test_a_dead_run_leaves_its_complete_rounds(url: str, tmp_path: Path) -> None:
    with quick_run(url, tmp_path) as run:
        run.until("round 2/5")
        run.process.kill()
    result = only_result(tmp_path)
    assert (result.interrupted, result.complete_rounds) == (True, 1)
    assert json.loads((next(tmp_path.iterdir()) / "result.json").read_text())["schema_version"] == 2


def test_a_file_that_a_backend_refuses_or_that_is_none_is_named_at_the_start_and_left_out(tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for name in ("cat.jpg", "coffee.jpg"):
        (images / name).write_bytes((ROOT / "photos" / name).read_bytes())
    Image.new("RGB", (40, 30)).save(images / "a.jpg", "AVIF")
    (images / "empty.jpg").touch()
    with sleeping_server(mean_ms=20, name="pytorch", refuse="ftypavif") as server:
        done = bench(server.url, tmp_path / "results", "--quick", "--images", str(images))
    assert done.returncode == 0, done.stderr
    before_rounds = done.stdout.partition("round 1/5")[0]
    assert "left out: empty.jpg: cannot be read as a photo (0 bytes of no known format)" in before_rounds
    assert "left out: a.jpg: pytorch answered 400" in before_rounds
    result = only_result(tmp_path / "results")
    assert (result.photos.found, result.photos.names) == (4, ("cat.jpg", "coffee.jpg"))
    assert [each.name for each in result.photos.left_out] == ["empty.jpg", "a.jpg"]
    assert all(window.clean for window in result.windows)
    report = next((tmp_path / "results").glob("*/report.md")).read_text()
    assert "**2 photos left out:** empty.jpg: cannot be read as a photo" in report


def test_a_server_that_is_started_again_fails_its_points_and_the_rest_is_concluded_and_reported(tmp_path: Path) -> None:
    with sleeping_server(mean_ms=20, name="onnx") as first:
        port = urlsplit(first.url).port
        with (
            sleeping_server(mean_ms=20, name="pytorch", peer=[f"onnx={first.url}"]) as other,
            quick_run(other.url, tmp_path) as run,
        ):
            output = run.until("round 2/5")
            os.kill(first.pid, signal.SIGKILL)
            output += run.until("round 3/5")
            with sleeping_server(mean_ms=20, name="onnx", port=port):
                output += run.rest()
                assert run.process.wait(60) == 0, output
    result = only_result(tmp_path)
    assert (result.complete_rounds, result.interrupted) == (5, False)
    problems = {(point.backend, bool(point.problem)) for point in result.summary.points}
    assert problems == {("onnx", True), ("pytorch", False)}
    assert {window.round for window in result.windows if window.backend == "onnx" and window.clean} >= {1, 4, 5}
    assert result.summary.winner == "pytorch"
    assert "report: " in output
    assert "Traceback" not in output


def test_an_error_of_the_client_s_own_ends_the_run_with_its_complete_rounds_and_a_report(
    url: str, tmp_path: Path
) -> None:
    with quick_run(url, tmp_path) as run:
        output = run.until("round 3/5")
        for child in psutil.Process(run.process.pid).children():
            if "spawn_main" in " ".join(child.cmdline()):
                child.kill()
        output += run.rest()
        assert run.process.wait(60) == 1, output
    assert "a client process has ended" in output
    assert "2 of 5 rounds are complete, kept and reported; go on with --resume" in output
    assert "Traceback" not in output
    result = only_result(tmp_path)
    assert (result.complete_rounds, result.interrupted) == (2, True)
    assert sorted(path.name for path in next(tmp_path.iterdir()).iterdir()) == [
        "report.html",
        "report.md",
        "report.png",
        "result.json",
    ]


def test_a_stack_behind_a_proxy_with_tls_a_path_and_a_key_is_measured(url: str, tmp_path: Path) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    onnx = httpx.get(f"{url}/ready").json()["backends"]["onnx"]["url"]
    with tls_proxy(
        certificate=certificate, key_file=key, api_key="sesame", target=[f"stack={url}", f"onnx={onnx}"]
    ) as proxy:
        words = ["--quick", "--url", f"onnx={proxy.url}/onnx", "--url", f"pytorch={proxy.url}/stack"]
        environment = {**os.environ, "SSL_CERT_FILE": str(certificate)}
        runs = [
            subprocess.run(
                command(f"{proxy.url}/stack", tmp_path / "results", *words),
                cwd=ROOT, env=environment | given, capture_output=True, text=True, timeout=240, check=False,
            )
            for given in ({"API_KEY": "open"}, {"API_KEY": "sesame"})
        ]  # fmt: skip
    assert "answered 401; give its key with --api-key or API_KEY" in runs[0].stderr
    assert runs[1].returncode == 0, runs[1].stderr
    result = only_result(tmp_path / "results")
    assert {target.url for target in result.backends} == {f"{proxy.url}/stack", f"{proxy.url}/onnx"}
    assert {window.backend for window in result.windows} == {"onnx", "pytorch"}
    assert all(window.clean for window in result.windows)
    assert "sesame" not in (next((tmp_path / "results").iterdir()) / "result.json").read_text()
