"""A child ends with the process that started it."""

import os
import threading

import pytest

from server.ipc import lifeline


def test_a_child_ends_at_once_when_its_parent_has(monkeypatch: pytest.MonkeyPatch) -> None:
    ended, status = threading.Event(), []
    monkeypatch.setattr(lifeline.os, "_exit", lambda code: (status.append(code), ended.set()))
    ours, parents = os.pipe()
    lifeline.watch(ours)
    [watching] = [each for each in threading.enumerate() if each.name == "lifeline"]
    assert watching.daemon, "a child that ends by itself is not kept alive by its lifeline"
    assert not ended.wait(0.05), "while the parent lives so does the child"
    os.close(parents)
    assert ended.wait(10)
    watching.join(10)
    os.close(ours)
    assert status == [1]
