"""The printed commands and the template, through the real `vastai` package, whose service a stand-in takes the place of."""

import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.vast.commands import Command, CommandsError, commands
from server.settings import Settings
from tests.unit.deploy.vast_stand_in import LOG, VastStandIn, vast_stand_in

ROOT = Path(__file__).parents[3]
IMAGE = "me/clip-bakeoff:latest"
VARIABLES = {"$OFFER": "384826", "$TEMPLATE": "661d064bbda1f2a133816b6d55da07c3", "$INSTANCE": "4242"}
PORTS = [field.default for name, field in Settings.model_fields.items() if name.endswith("_port")]
PUBLISHED = {f"-p {port}:{port}": "1" for port in PORTS}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[VastStandIn]:
    with vast_stand_in(tmp_path) as running:
        yield running


def run(service: VastStandIn, start: str) -> "tuple[subprocess.CompletedProcess[str], str, Any]":
    """Run the printed command whose purpose starts so; return its end, what it asked and what it sent."""
    (command,) = (each for each in commands(IMAGE) if each.purpose.startswith(start))
    line = str(command).splitlines()[1].partition(" > ")[0] if command.output else str(command).splitlines()[1]
    for name, value in VARIABLES.items():
        line = line.replace(name, value)
    program, *words = shlex.split(line)
    assert program == "vastai"
    answer = service.vastai(words, cwd=ROOT)
    assert "Warning" not in answer.stderr, answer.stderr
    return answer, *service.asked[0]


def test_offers_are_searched_with_fields_that_vast_knows(service: VastStandIn) -> None:
    _, request, query = run(service, "find")
    assert request == "POST /api/v0/bundles/"
    assert query["cuda_max_good"] == {"gte": "13.0"}
    assert query["driver_version"] == {"gte": 580_000_000}
    assert query["gpu_ram"] == {"gte": 10_000}
    assert query["direct_port_count"] == {"gte": str(len(PORTS) + 2)}
    assert query["disk_space"] == {"gte": "40"}
    assert query["reliability"] == {"gt": "0.98"}
    assert query["verified"] == {"eq": True}
    assert query["allocated_storage"] == 40
    assert query["order"] == [["dph_total", "asc"]]


def test_the_template_is_what_the_command_sends(service: VastStandIn) -> None:
    answer, request, sent = run(service, "once")
    assert request == "POST /api/v0/template/"
    assert answer.stdout.startswith("New Template: ")
    template = json.loads((ROOT / "deploy/vast/template.json").read_text(encoding="utf-8"))
    assert template == {name: value for name, value in sent.items() if value is not None}
    assert template["runtype"] == "args"
    assert template["env"] == " ".join(PUBLISHED)


def test_the_template_is_rented_as_it_is(service: VastStandIn) -> None:
    _, request, sent = run(service, "rent one from")
    assert request == "PUT /api/v0/asks/384826/"
    assert sent["template_hash_id"] == VARIABLES["$TEMPLATE"]
    assert "runtype" not in sent
    assert sent["disk"] == 40


def test_the_images_own_entrypoint_runs(service: VastStandIn) -> None:
    answer, request, sent = run(service, "or without a template")
    assert request == "PUT /api/v0/asks/384826/"
    assert "'new_contract': 4242" in answer.stdout
    assert sent["runtype"] == "args"
    assert "args" not in sent
    assert (sent["image"], sent["disk"], sent["env"], sent["onstart"]) == (IMAGE, 40, PUBLISHED, None)


@pytest.mark.parametrize(
    ("start", "runtype"),
    [("or with SSH", "ssh_direc ssh_proxy"), ("or with Jupyter", "jupyter_direc ssh_direc ssh_proxy")],
)
def test_other_launch_modes_run_the_script(service: VastStandIn, start: str, runtype: str) -> None:
    _, _, sent = run(service, start)
    assert sent["runtype"] == runtype
    assert sent["user"] == "root"
    assert sent["env"] == PUBLISHED
    assert sent["onstart"] == (ROOT / "deploy/vast/onstart.sh").read_text(encoding="utf-8")


def test_the_log_says_when_it_is_ready(service: VastStandIn) -> None:
    answer, request, sent = run(service, "watch")
    assert request == "PUT /api/v0/instances/request_logs/4242/"
    assert sent == {"filter": LOG}
    assert answer.stdout.strip() == LOG


def test_it_is_given_back(service: VastStandIn) -> None:
    answer, request, _ = run(service, "give it back")
    assert request == "DELETE /api/v0/instances/4242/"
    assert answer.stdout.endswith("destroying instance 4242.\n")


@pytest.mark.parametrize(
    "line", ["vastai logs $INSTANCE --tail 30", "vastai ssh-url $INSTANCE", "vastai set api-key KEY"]
)
def test_what_the_guide_adds_is_understood(service: VastStandIn, line: str) -> None:
    assert line in (ROOT / "docs/vast.md").read_text(encoding="utf-8")
    answer = service.vastai(line.replace("$INSTANCE", "4242").split()[1:], cwd=ROOT)
    assert answer.returncode in (0, 1), answer.stderr  # 1: `logs` answers True
    assert "usage:" not in answer.stderr
    assert "Traceback" not in answer.stderr


def test_every_command_is_run_above() -> None:
    others = {"show": "in test_vast.py, for the benchmark reads it", "bench": "ours"}
    assert len(commands(IMAGE)) == 8 + len(others)


@given(st.text(st.characters(exclude_characters="/", exclude_categories=["Cs"]), max_size=20))
def test_a_name_without_an_account_is_refused(image: str) -> None:
    with pytest.raises(CommandsError, match="names no account"):
        commands(image)


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("me/clip", "me/clip:latest"),
        ("registry.example:5000/me/clip:1.2", "registry.example:5000/me/clip:1.2"),
        ("registry.example:5000/me/clip", "registry.example:5000/me/clip:latest"),
    ],
)
def test_a_registry_and_a_tag_are_kept(image: str, name: str) -> None:
    (launch,) = (each for each in commands(image) if each.purpose.startswith("or without"))
    assert launch.words[launch.words.index("--image") + 1] == name


def test_words_are_quoted_and_variables_are_not() -> None:
    assert str(Command("why", ("do", "a b", "$OFFER"), "out")) == "# why\ndo 'a b' $OFFER > out\n"


def test_it_can_be_printed() -> None:
    program = [sys.executable, "-m", "deploy.vast.commands"]
    good = subprocess.run([*program, IMAGE], cwd=ROOT, capture_output=True, text=True, check=False)
    assert good.stdout.startswith("# find machines")
    bad = subprocess.run([*program, "clip"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (bad.returncode, bad.stderr.splitlines()[0][:30]) == (1, "vast: clip names no account of")
