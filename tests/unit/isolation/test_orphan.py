"""A process whose asker has died ends quietly, whatever the two were at."""

import json
import os
import select
import socket
import subprocess
import sys

import pytest

from server.isolation import protocol


@pytest.mark.parametrize("answered", [False, True], ids=["before the answer", "before it read the answer"])
def test_a_process_whose_asker_has_died_ends_without_a_word(answered: bool) -> None:
    file = os.memfd_create("asked")
    ours, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
    with theirs:
        descriptors = file, theirs.fileno()
        arguments = json.dumps({"greeting": "", "cpu_s": 10})
        process = subprocess.Popen(
            [sys.executable, "-m", "server.isolation", "tests.doubles.isolated_work", arguments, *map(str, descriptors)],
            pass_fds=descriptors, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
    with ours:
        protocol.send_request(ours, 0, "echo")
        if answered:
            assert select.select([ours], [], [], 60)[0]
    os.close(file)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (0, "")
