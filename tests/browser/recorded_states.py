"""What the gate wrote in a real run, put where a server reads it, with the clock of now.

`recorded/*.json` are answers of `GET /live` from one run on two processor cores (docs/testing.md): TensorRT-RTX built the
engine and a test double ran it. States that it did not pass through are made from it here, and say so.
"""

import copy
import json
import time
from pathlib import Path
from typing import Any

from server.live.history import INTERVAL_S
from server.readiness import write_document
from server.state import HISTORY, READINESS

FOLDER = Path(__file__).parent / "recorded"
WHY_SKIPPED = "TensorRT needs an NVIDIA GPU, and the driver reports none"
WHY_FAILED = (
    "TensorRT built no engine: the GPU has 2.1 GiB free of 8.0 GiB; free some or set REQUIRED_BACKENDS=pytorch,onnx"
)

Answer = dict[str, Any]


def recorded(name: str) -> Answer:
    found: Answer = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return found


def invented_skip() -> Answer:
    answer = copy.deepcopy(recorded("ready"))
    answer["ready"]["backends"]["tensorrt"].update(
        state="skipped", reason=WHY_SKIPPED, progress=0.0, parity=None, timings_s={"starting": 0.1}
    )
    return answer


def invented_failure() -> Answer:
    answer = copy.deepcopy(recorded("ready"))
    answer["ready"].update(ready=False, since=None)
    answer["ready"]["backends"]["tensorrt"].update(
        state="failed", reason=WHY_FAILED, progress=0.0, parity=None, timings_s={"starting": 2.1, "compiling": 31.4}
    )
    return answer


def invented_gpu() -> Answer:
    """One GPU's figures, which no machine of ours had in the recorded run."""
    answer = copy.deepcopy(recorded("ready"))
    history = answer["history"]
    count = len(history["at"])
    history["facts"]["gpus"] = [{"name": "an invented GPU", "memory": 80 * 2**30}]
    history["machine"].update(gpu=[0.62] * count, gpu_memory=[9 * 2**30] * count)
    for index, columns in enumerate(history["backends"].values()):
        columns["gpu_memory"] = [(index + 2) * 2**30] * count
    return answer


def put(home: Path, answer: Answer) -> None:
    """Write the readiness document and the history as the gate does, its last look being now."""
    write_document(READINESS.at(home), answer["ready"])
    history = copy.deepcopy(answer["history"])
    if history:
        late = time.time() - history["at"][-1]
        history["at"] = [moment + late for moment in history["at"]]
        history["interval_s"] = INTERVAL_S
        file = HISTORY.at(home)
        temporary = file.with_suffix(".new")
        temporary.write_text(json.dumps(history), encoding="utf-8")
        temporary.replace(file)
