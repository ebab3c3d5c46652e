"""The processor time of a program's decoding processes, wherever below it they are."""

import os
import time

import psutil
import pytest

from server.gate import decoders
from server.gate.decoders import decoding_s
from server.isolation import Costly, Pool
from tests.doubles import isolated_work


def test_what_decodes_is_told_from_what_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoders, "find_program", lambda _: psutil.Process(os.getpid()))
    pool = Pool(isolated_work.__name__, 1, cpu_s=1, wall_s=60, greeting="")
    try:
        pool.submit("echo", b"").result(60)
        idle = decoding_s("pytorch")
        assert decoding_s("pytorch") == idle
        busy = pool.submit("spin", b"")
        deadline = time.monotonic() + 30
        while decoding_s("pytorch") < idle + 0.3 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not busy.done()
        with pytest.raises(Costly):
            busy.result(60)
    finally:
        pool.close()


def test_a_program_that_does_not_run_has_taken_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoders, "find_program", lambda _: None)
    assert decoding_s("triton-onnx") == 0
