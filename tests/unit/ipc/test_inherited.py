"""A child finds on its command line what its parent hands it."""

import pytest

from server.ipc.inherited import Inherited, parse

WORKER = Inherited(
    control=5, lifeline=11, counters=9, row=0, arena=7, listener=13, waits=1, connections=14, inbox=15,
    outboxes=(16, 17, 18), engines=(3, 4),
)  # fmt: skip
ENGINE = Inherited(control=5, lifeline=11, counters=9, row=3, gpu=0)


@pytest.mark.parametrize("shared", [WORKER, ENGINE, Inherited(control=1, lifeline=2, counters=3, row=4)])
def test_a_child_parses_what_its_parent_wrote(shared: Inherited) -> None:
    assert parse(shared.arguments()) == shared


def test_the_command_line_is_short_and_says_nothing_of_what_there_is_not() -> None:
    assert ENGINE.arguments() == ["--control=5", "--lifeline=11", "--counters=9", "--row=3", "--gpu=0"]


def test_a_child_has_what_is_named_open_but_no_descriptor_of_the_number_of_a_row_or_a_gpu() -> None:
    assert WORKER.descriptors() == [5, 11, 9, 7, 13, 14, 15, 16, 17, 18]
    assert ENGINE.descriptors() == [5, 11, 9]


@pytest.mark.parametrize("name", ["control", "lifeline", "counters", "row"])
def test_what_every_child_needs_must_be_there(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse([each for each in ENGINE.arguments() if not each.startswith(f"--{name}=")])
    assert f"--{name}" in capsys.readouterr().err
