"""Made-up runs to draw conclusions and reports from."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest

from bench.fairness import Served, compare
from bench.histogram import Latencies
from bench.machine import Machine
from bench.parity import Parity
from bench.result import Photos, Result, RunSettings
from bench.rounds import Basis
from bench.scenarios import Scenario
from bench.splits import Split
from bench.summary import summarise
from bench.table import scenarios
from bench.targets import Target
from bench.windows import Window

MakeResult = Callable[..., Result]


def window(
    number: int,
    scenario: Scenario,
    backend: str,
    latencies_ms: float | Sequence[float],
    failures: int = 0,
    **changes: object,
) -> Window:
    """A window of two requests of one latency, or of those given, one after the other."""
    seen = np.array([latencies_ms] * 2 if isinstance(latencies_ms, int | float) else latencies_ms, float)
    latencies, ns = Latencies.of(seen / 1e3), float(seen.mean() * 1e6) if len(seen) else 0.0
    images = len(seen) * scenario.batch
    made = Window(
        round=number,
        scenario=scenario,
        backend=backend,
        started="2026-01-02T03:04:05Z",
        requests=len(seen),
        images=images,
        failures=failures,
        errors=("out of memory",) if failures else (),
        elapsed_s=float(seen.sum() / 1e3) or 1.0,
        images_per_s=images / float(seen.sum() / 1e3) if len(seen) else 0.0,
        histogram=latencies.encoded,
        p50_ms=latencies.percentile_ms(50),
        p90_ms=latencies.percentile_ms(90),
        p99_ms=latencies.percentile_ms(99),
        mean_ms=latencies.mean_ms,
        latencies_ms=tuple(seen.tolist()),
        payload_bytes=2 * scenario.batch * 1000,
        client_processes=1,
        client_cores=0.1,
        client_busy=0.1,
        first_photo=number,
        split=Split(
            requests=len(seen),
            failures=failures,
            total_ns=0.9 * ns,
            queue_ns=0.1 * ns,
            input_ns=0.2 * ns,
            infer_ns=0.4 * ns,
            output_ns=0.1 * ns,
        )
        if len(seen)
        else None,
    )
    return made.model_copy(update=changes)


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
        served: Mapping[str, str] | None = None,
    ) -> Result:
        noise = np.random.default_rng(3)
        failing, disagreeing = failing or {}, disagreeing or set()
        names, measured = tuple(latency_ms), scenarios(("single", "batch"), ("http",), 8, on_gpu=False, quick=True)
        windows = tuple(
            window(
                number,
                scenario,
                name,
                round(latency_ms[name] * scenario.batch * noise.normal(1, 0.005), 4),
                failing.get(name, 0) if number == 2 and scenario.name == "single-pixels-http" else 0,
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
        precisions = dict.fromkeys(names, "fp32") | dict(served or {})
        fairness = compare(
            [Served(backend=name, precision=precisions[name], max_batch_size=8, batch_delay_us=0) for name in names]
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
            local=True,
            server_gpus=(),
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
                scenarios=("single", "batch"),
                time_budget_s=48,
                window_s=1,
                min_requests=3,
                p99_ms=50,
                goal="throughput",
                price_per_hour=None,
                timeout_s=30.0,
                ready_url="http://127.0.0.1:8002",
            ),
            photos=Photos(folder="photos", found=12, used=12, bytes=1_234_567, sha256="ab" * 32, names=("a.jpg",)),
            backends=(*ready, skipped),
            fairness=fairness,
            scenarios=measured,
            parity_before=spot_checks,
            parity_after=() if interrupted else spot_checks,
            null_server=(),
            startup=(),
            wan=None,
            skipped=(),
            windows=windows,
            summary=summarise(
                windows,
                dict.fromkeys(measured, names),
                "throughput",
                Basis(seed=1, disagreeing=disagreeing),
                fairness.unfair,
            ),
        )

    return make
