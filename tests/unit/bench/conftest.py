"""Made-up runs to draw conclusions and reports from."""

from collections.abc import Callable, Mapping

import numpy as np
import pytest

from bench.machine import Machine
from bench.parity import Parity
from bench.result import Photos, Result, RunSettings
from bench.scenarios import Scenario, scenarios
from bench.splits import Split
from bench.targets import Target
from bench.verdicts import summarise
from bench.windows import Window

MakeResult = Callable[..., Result]


def window(number: int, scenario: Scenario, backend: str, latency_ms: float, failures: int = 0) -> Window:
    ns = latency_ms * 1e6
    return Window(
        round=number,
        scenario=scenario,
        backend=backend,
        started="2026-01-02T03:04:05Z",
        latencies_ms=(latency_ms, latency_ms),
        failures=failures,
        errors=("out of memory",) if failures else (),
        elapsed_s=2 * latency_ms / 1e3,
        building_s=0.0,
        payload_bytes=2 * scenario.batch * 1000,
        first_photo=0,
        split=Split(
            requests=2,
            failures=failures,
            total_ns=0.9 * ns,
            queue_ns=0.1 * ns,
            input_ns=0.2 * ns,
            infer_ns=0.4 * ns,
            output_ns=0.1 * ns,
        ),
        invalid=None,
    )


@pytest.fixture
def make_result() -> MakeResult:
    """Give a maker of results: `make(latencies_ms={backend: ...})`, and what else should differ."""

    def make(
        latency_ms: Mapping[str, float],
        *,
        rounds: int = 5,
        failing: Mapping[str, int] | None = None,
        disagreeing: set[str] | None = None,
        meaningful: bool = True,
        interrupted: bool = False,
    ) -> Result:
        noise = np.random.default_rng(3)
        failing, disagreeing = failing or {}, disagreeing or set()
        names, measured = tuple(latency_ms), scenarios(8)
        windows = tuple(
            window(
                number,
                scenario,
                name,
                round(latency_ms[name] * scenario.batch * noise.normal(1, 0.005), 4),
                failing.get(name, 0) if number == 2 and scenario.name == "pixels-b1" else 0,
            )
            for number in range(1, rounds + 1)
            for scenario in measured
            for name in names
        )
        spot_checks = tuple(
            Parity(
                backend=name,
                input="pixels",
                reference=names[0],
                error=0.0 if name == names[0] else 0.5 if name in disagreeing else 0.0012,
                cosine=0.99999,
                bound=0.002,
                agrees=name not in disagreeing,
            )
            for name in names
        )
        skipped = Target(name="tensorrt", state="skipped", reason="no NVIDIA GPU | none at all")
        ready = (
            Target(name=name, state="ready", url="http://127.0.0.1:1", server="s 1", elapsed_s=9.0) for name in names
        )
        return Result(
            started="2026-01-02T03:04:05Z",
            finished="2026-01-02T03:05:05Z",
            command="bakeoff bench --quick",
            interrupted=interrupted,
            complete_rounds=rounds,
            machine=Machine(
                cpu="A CPU",
                cores=2,
                memory_bytes=8 * 2**30,
                gpus=(),
                driver=None,
                os="Linux",
                versions={"python": "3.11"},
                commit=None,
            ),
            model={
                "name": "ViT-B-32",
                "pretrained": "openai" if meaningful else "random",
                "precision": "fp32",
                "embeddings_meaningful": meaningful,
                "note": None if meaningful else "the hub could not be reached",
            },
            settings=RunSettings(
                quick=True,
                seed=1,
                rounds=5,
                min_requests=2,
                window_s=None,
                quick_budget_s=50.0,
                timeout_s=30.0,
                ready_url="http://127.0.0.1:8002",
            ),
            photos=Photos(folder="photos", found=12, used=12, bytes=1_234_567, names=("a.jpg",)),
            backends=(*ready, skipped),
            scenarios=measured,
            parity_before=spot_checks,
            parity_after=() if interrupted else spot_checks,
            windows=windows,
            summary=summarise(windows, names, measured, disagreeing, 1),
        )

    return make
