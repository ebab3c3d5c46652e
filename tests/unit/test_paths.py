"""Folders that people choose may have any name; what takes a name apart is fed none, and what cannot be had is refused by name."""

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from supervisor.options import ServerOptions

from bench.document import Document, command_line
from bench.photos import load_photos
from server.home import ROOT
from server.keys import ADMIN_VARIABLE
from server.paths import checkout_problem, home_problem
from server.processes import supervisor
from server.settings import Settings, SettingsError, load_settings
from server.sockets import SUPERVISORD, socket_path
from server.state import SUPERVISORD_PID

NASTY = 'a b\'s "c" $HOME %(x)s %e `id` é\\ &#;[red]*?'
NOT_UTF8 = os.fsdecode(b"gr\xf6\xdfe")

letters = st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/")
names = st.text(letters, min_size=1, max_size=40).filter(
    lambda name: name not in (".", "..") and len(name.encode()) < 200
)


@contextmanager
def changed(variables: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def parsed(home: Path) -> ServerOptions:
    """Return supervisord's own reading of its configuration for a stack in `home`."""
    settings = Settings(bakeoff_home=home)
    settings.home.state.mkdir(parents=True, exist_ok=True)
    with changed({**supervisor.environment(settings), ADMIN_VARIABLE: "of this start"}):
        options = ServerOptions()
        options.realize(["--configuration", str(supervisor.CONFIGURATION), "--pidfile", str(SUPERVISORD_PID.at(home))])
    return options


@given(name=names)
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
def test_supervisord_takes_no_name_apart(tmp_path: Path, name: str) -> None:
    home = tmp_path / name
    options = parsed(home)
    assert options.pidfile == str(home / "state" / "supervisord.pid")
    assert [config["file"] for config in options.server_configs] == [str(socket_path(home, SUPERVISORD))]
    commands = {one.name: one.command for group in options.process_group_configs for one in group.process_configs}
    assert commands == {
        "pytorch": "server/processes/prefixed.sh pytorch python -m server.pytorch",
        "triton-onnx": "server/processes/prefixed.sh triton-onnx python -m server.triton onnx",
        "triton-tensorrt": "server/processes/prefixed.sh triton-tensorrt python -m server.triton tensorrt",
        "gateway": "server/processes/prefixed.sh gateway python -m server.gateway",
        "console": "server/processes/prefixed.sh console python -m server.console",
        "readiness": "python -m server.gate",
        "fatal": "python -m server.processes.fatal",
    }


def test_the_python_that_supervisord_finds_is_the_one_that_it_runs_in(tmp_path: Path) -> None:
    path = supervisor.environment(Settings(bakeoff_home=tmp_path))["PATH"]
    assert shutil.which("python", path=path) == str(Path(sys.executable).with_name("python"))


@given(name=names, word=st.text(letters, max_size=20))
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=8)
def test_the_prefix_keeps_names_and_arguments_whole(tmp_path: Path, name: str, word: str) -> None:
    folder = tmp_path / name
    folder.mkdir(exist_ok=True)
    environment = {**os.environ, "BAKEOFF_RUN": str(folder), "TMPDIR": str(folder)}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["server/processes/prefixed.sh", "x", "printf", "%s\n", word],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout == f"[x] {word}\n"
    assert (folder / "x.last").read_text(encoding="utf-8") == f"{word}\n"


@given(name=names)
def test_any_text_may_be_a_home_and_most_a_checkout(name: str) -> None:
    assert home_problem(f"/srv/{name}") is None
    refused = any(character in name for character in ":;") or any(
        f"${b}{t}" in name for b in ("", "{") for t in ("ORIGIN", "LIB", "PLATFORM")
    )
    assert (checkout_problem(f"/srv/{name}") is not None) == refused


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/a:b", "/a:b holds a colon, which separates the folders of PATH; rename the folder"),
        ("/a;b", "/a;b holds a semicolon, which separates the folders of LD_LIBRARY_PATH; rename the folder"),
        ("/a$LIB", "/a$LIB holds $LIB, which the dynamic loader replaces by another folder; rename the folder"),
        (f"/{NOT_UTF8}", r"/gr\xf6\xdfe is not UTF-8, the only names that ONNX and Triton open; rename the folder"),
        ("/a\nb", r"/a\nb holds a control character, which splits lines of logs and lists; rename the folder"),
    ],
)
def test_what_cannot_be_had_is_refused_by_name(path: str, words: str) -> None:
    assert checkout_problem(path) == words


@pytest.mark.parametrize("name", [NOT_UTF8, "a\nb"])
def test_a_home_that_cannot_be_had_is_an_invalid_setting(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("BAKEOFF_HOME", f"/srv/{name}")
    with pytest.raises(SettingsError, match=r"BAKEOFF_HOME=.*; rename the folder"):
        load_settings()


@pytest.mark.parametrize("name", ["a:b", "a;b", NOT_UTF8])
def test_setup_says_at_once_that_a_checkout_cannot_lie_there(tmp_path: Path, name: str) -> None:
    checkout = tmp_path / name
    for file in ("scripts/setup.sh", "server/paths.py"):
        (checkout / file).parent.mkdir(parents=True)
        shutil.copy(ROOT / file, checkout / file)
    done = subprocess.run(
        ["scripts/setup.sh", sys.executable, ".venv", "cpu"], cwd=checkout, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "rename the folder" in done.stderr
    assert not (checkout / ".venv").exists()


def test_triton_s_stub_reads_where_the_checkout_is_as_ascii() -> None:
    (file,) = Path(sysconfig.get_path("purelib")).glob("_editable_impl_clip_bakeoff.pth")
    found = file.read_text(encoding="ascii").strip()
    assert not Path(found).is_absolute()
    assert (file.parent / found).resolve() == ROOT


def test_preflight_shows_brackets_as_they_are(tmp_path: Path) -> None:
    home = tmp_path / "photos [red]"
    environment = {**os.environ, "BAKEOFF_HOME": str(home), "BACKENDS": "pytorch", "PYTORCH_HTTP_PORT": "29002"}
    done = subprocess.run(
        [sys.executable, "-m", "bakeoff", "preflight"],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert f"free in {home}\n" in done.stdout
    assert f"ok   checkout: {ROOT}\n" in done.stdout


def test_metrics_of_all_processes_are_found_in_a_folder_with_brackets(tmp_path: Path) -> None:
    folder = tmp_path / NASTY
    folder.mkdir()
    code = "from server.http.metrics import Metrics; m = Metrics(); m.batch_size.observe(3); print(m.render().decode())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT, env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "batch_size_count 1.0" in done.stdout


def test_photos_and_results_may_have_names_that_are_no_text(tmp_path: Path) -> None:
    folder = tmp_path / NOT_UTF8
    folder.mkdir()
    shutil.copy(ROOT / "photos" / "cat.jpg", folder / f"{NOT_UTF8}.jpg")
    photos = load_photos(folder, 8)
    document = Document.__new__(Document)  # the record needs no measurement
    document.options = SimpleNamespace(photos=folder)  # type: ignore[assignment]
    document._photos = photos
    record = document.photos_record()
    assert record.names == (r"gr\xf6\xdfe.jpg",)
    assert record.folder == str(tmp_path / r"gr\xf6\xdfe")
    assert record.model_dump_json()
    assert command_line(["bakeoff", "bench", "--images", str(folder)]).endswith(r"gr\xf6\xdfe'")


def test_the_console_prints_a_name_that_is_no_text(tmp_path: Path) -> None:
    run = tmp_path / NOT_UTF8
    shutil.copytree(ROOT / "results" / "2026-11-26-two-cores", run)
    done = subprocess.run(
        [sys.executable, "-m", "bakeoff", "report", str(run)],
        cwd=ROOT, env={**os.environ, "PYTHONUTF8": "1"}, capture_output=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert rb"with pictures: " + os.fsencode(tmp_path) + rb"/gr\xf6\xdfe/report.html" in done.stdout
