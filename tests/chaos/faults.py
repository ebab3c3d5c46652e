"""The faults: what is done, which backends it may touch, and what has to be seen of it."""

import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.chaos import cuda, files, memory, network
from tests.chaos.processes import send, stop_for_a_while
from tests.stack.stack import RunningStack

Undo = Callable[[], None]

DEATH_S = 5.0
"""Within which `/ready` has to be false after a backend's death."""

HANG_S = 45.0
"""...and after a hang, which shows only when nothing has been computed for HANG_TIMEOUT_S, or in the numbers."""


@dataclass(frozen=True)
class Fault:
    """One kind of fault.

    Attributes:
        inject: does it to a stack; returns what undoes it once the gate has seen it, or None.
        touches: the backends that may refuse requests, or be closed, until it is over; the others go on answering right.
        unready_within_s: seconds within which `/ready` has to become false; None: it need not.
        kills: whether a process that has accepted requests cannot answer them any more, by the nature of the fault.
        corrupts: whether the touched backend answers wrongly, by the nature of the fault, until the gate has noticed.
        stays_open: whether what died is replaced alone, so that no connection may be refused meanwhile.
        back_within_s: seconds within which `/ready` has to be true, and whoever had asked has to have the right answer.
    """

    name: str
    inject: Callable[[RunningStack], Undo | None]
    touches: tuple[str, ...] = ()
    unready_within_s: float | None = None
    kills: bool = False
    corrupts: bool = False
    stays_open: bool = False
    back_within_s: float | None = None


PARENT = r"-m server\.pytorch$"
ENGINE = r"server\.pytorch\.engine"
WORKER = r"server\.pytorch\.worker"
TRITON = "bin/tritonserver"
PIXEL_STUB = r"stub .*openclip_vit_b32/"
GATE = r"server\.gate"

PROCESSES = {
    "pytorch's parent": (PARENT, ("pytorch",)),
    "pytorch's worker": (WORKER, ("pytorch",)),
    "pytorch's engine": (ENGINE, ("pytorch",)),
    "triton-onnx": (TRITON, ("onnx",)),
    "its pixel model's stub": (PIXEL_STUB, ("onnx",)),
    "its preprocessing stub": (r"stub .*openclip_preprocess/", ("onnx",)),
    "the gate": (GATE, ()),
}
"""By name: a pattern of the command line, and the backends that need the process."""

REPLACED_ALONE = {WORKER: 3.0, ENGINE: 15.0}
"""Parts of 8002, and the seconds within which everything is as before when one was killed, on two cores."""

ARTIFACTS = {
    "weights/visual.safetensors": (PARENT, ("pytorch",)),
    "onnx/*.onnx": (TRITON, ("onnx",)),
    "weights/reference.npz": (GATE, ()),
    "model.json": (PARENT, ("pytorch",)),
    "model_repository/onnx/openclip_vit_b32/config.pbtxt": (TRITON, ("onnx",)),
}
"""By path: the process that reads it at its start, and is killed so that it does, and the backends that need that."""

BOTH = ("pytorch", "onnx")


def all_faults(*, small_disk: bool, gpus: int) -> Iterator[Fault]:
    """Yield every fault.

    Args:
        small_disk: BAKEOFF_HOME has a file system of its own, which can be full.
        gpus: on which the models compute, with `cuda.inside`; what is in their memory cannot be overwritten from outside.
    """
    one_of_several = ENGINE if gpus > 1 else None  # the others go on, so `/ready` stays true
    bars = REPLACED_ALONE if gpus == 0 else {WORKER: REPLACED_ALONE[WORKER]}
    for name, (words, touches) in PROCESSES.items():
        within_s = None if words in (WORKER, one_of_several) else DEATH_S
        alone, back_s = words in REPLACED_ALONE, bars.get(words)
        kill = send(words, signal.SIGKILL)
        yield Fault(f"SIGKILL {name}", kill, touches, within_s, kills=True, stays_open=alone, back_within_s=back_s)
    for name, (words, touches) in PROCESSES.items():
        if words != PARENT:
            alone = words in REPLACED_ALONE
            within_s = None if words == one_of_several else HANG_S
            stop = send(words, signal.SIGSTOP)
            yield Fault(f"SIGSTOP {name}", stop, touches, within_s, kills=True, stays_open=alone)
    yield Fault("SIGSTOP pytorch's parent, which only watches", stop_for_a_while(PARENT))
    for path, (words, touches) in ARTIFACTS.items():
        kill = send(words, signal.SIGKILL)
        yield Fault(f"deletion of {path}", files.damage(path, kill, delete=True), touches, DEATH_S, kills=True)
        yield Fault(f"corruption of {path}", files.damage(path, kill, delete=False), touches, DEATH_S, kills=True)
    yield Fault("damage of ready.json", files.damage_document)
    if small_disk:
        yield Fault("disk full", files.fill_disk(send(TRITON, signal.SIGKILL)), ("onnx",), DEATH_S, kills=True)
    for name, words in (("pytorch's engine", ENGINE), ("its pixel model's stub", PIXEL_STUB)):
        touches = PROCESSES[name][1]
        if gpus:
            lose, within_s = send(words, cuda.LOSE_CONTEXT), None if words == one_of_several else HANG_S
            yield Fault(f"lost CUDA context of {name}", lose, touches, within_s, kills=True)
        else:
            overwrite = memory.overwrite(words)
            yield Fault(f"weights in memory of {name}", overwrite, touches, HANG_S, kills=True, corrupts=True)
        yield Fault(f"no more memory for {name}", memory.exhaust(words), touches, kills=True)
    yield Fault("no more memory for triton-onnx", memory.exhaust(TRITON), ("onnx",), kills=True)
    half_a_head, half_a_body = network.HALF_A_HEAD, network.HALF_A_BODY
    yield Fault("slow clients: half a head", network.connections("pytorch", 100, half_a_head))
    yield Fault("slow clients: half a body", network.connections("pytorch", 50, half_a_body))
    yield Fault("half-open connections to Triton", network.connections("onnx", 200, half_a_head))
    yield Fault("flood of connections to 8002", network.connections("pytorch", 1000, b""), ("pytorch",))
    yield Fault("flood of connections to Triton", network.connections("onnx", 1000, b""))
    yield Fault("200,000 [ to Triton", network.nested, ("onnx",), DEATH_S, kills=True)
    yield Fault("port taken", network.take_port(send(TRITON, signal.SIGKILL)), ("onnx",), DEATH_S, kills=True)
    yield Fault("stop and start", RunningStack.restart, BOTH, HANG_S)
