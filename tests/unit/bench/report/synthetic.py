"""A synthetic result: made-up backends of known speed, for tests of what is written and drawn. Nothing here was measured."""

from collections.abc import Mapping

import numpy as np

from bench.fairness import Fairness, Served
from bench.goals import Recommendation
from bench.histogram import Latencies
from bench.intervals import Interval
from bench.machine import Machine
from bench.parity import Parity
from bench.points import Estimate, Figure, Point, Rate, ServerLoad
from bench.result import NullPoint, Photos, Result, RunSettings, Skipped, Startup
from bench.scenarios import INPUTS, Input, Kind, Scenario, Transport
from bench.splits import Split
from bench.summary import Summary
from bench.targets import Target
from bench.telemetry.record import Telemetry
from bench.verdicts import Verdict
from bench.windows import Window

ROUNDS = 5
REQUESTS = 1000
SCALE: Mapping[Input, float] = {"encoded": 1.6, "pixels": 1.0}


def synthetic_result(
    base_ms: Mapping[str, float],
    *,
    gpu: bool = True,
    meaningful: bool = True,
    interrupted: bool = False,
    problems: Mapping[str, str] | None = None,
    batches: tuple[int, ...] = (2, 4, 8, 16, 32, 64),
    seed: int = 7,
) -> Result:
    """Return a result in which a backend takes `base_ms` for one image and gains from batches.

    Args:
        base_ms: by backend. All but `pytorch` also speak gRPC, a little faster.
        gpu: whether there are telemetry, energy and prices.
        meaningful: False for random weights.
        interrupted: True for a run that was stopped.
        problems: by backend, why its `single` scenarios cannot win.
        batches: sizes beyond 1; the same numbers in flight.
        seed: of the noise.
    """
    noise = np.random.default_rng(seed)
    problems = problems or {}
    scenarios = _scenarios(batches)
    points, windows = [], []
    for scenario in scenarios:
        for name, ms in base_ms.items():
            if scenario.transport == "grpc" and name == "pytorch":
                continue
            latency = ms * SCALE[scenario.input] * (0.93 if scenario.transport == "grpc" else 1.0)
            point = _point(scenario, name, latency, noise, gpu)
            if scenario.kind == "single" and name in problems:
                point = point.model_copy(update={"problem": problems[name], "failures": 3})
            points.append(point)
            windows += [_window(point, number, gpu) for number in range(1, ROUNDS + 1)]
    verdicts = tuple(_verdict(scenario, points) for scenario in scenarios)
    best = min(base_ms, key=lambda name: base_ms[name])
    ahead = {
        n: Interval(value=ms / base_ms[best], low=ms / base_ms[best] * 0.97, high=ms / base_ms[best] * 1.03)
        for n, ms in base_ms.items()
        if n != best
    }
    clear = bool(ahead) and min(each.low for each in ahead.values()) > 1.02
    margin = min((each.value for each in ahead.values()), default=1.0)
    sentence = (
        f"For the shortest latency take {best}: it answers {margin:.2f} times as fast as the next."
        if clear
        else "Tie on latency: the rounds do not separate the backends."
    )
    cost = {name: ms * 0.4 for name, ms in base_ms.items()} if gpu else {}
    recommendations = {
        goal: Recommendation(
            goal=goal,
            scenarios=("single-encoded-http", "single-pixels-http"),
            winner=best if clear else None,
            leader=best,
            ahead=ahead,
            by_input=dict.fromkeys(INPUTS, best if clear else None),
            cost_per_million=cost,
            sentence=sentence.replace("latency", goal),
        )
        for goal in (("latency", "throughput", "cost") if gpu else ("latency", "throughput"))
    }
    return Result(
        started="2026-01-02T03:04:05Z",
        finished="2026-01-02T03:14:05Z",
        command="bakeoff bench --scenario 'all'",
        interrupted=interrupted,
        complete_rounds=3 if interrupted else ROUNDS,
        machine=Machine(
            cpu="A synthetic CPU",
            cores=16 if gpu else 2,
            memory_bytes=128 * 2**30,
            gpus=("A synthetic GPU",) if gpu else (),
            driver="580.1" if gpu else None,
            os="Linux",
            versions={"python": "3.11.2", "torch": "2.15.0"},
            commit="0123456789abcdef",
        ),
        local=True,
        server_gpus=("A synthetic GPU",) if gpu else (),
        model={
            "name": "ViT-B-32",
            "pretrained": "openai" if meaningful else "random",
            "precision": "fp16" if gpu else "fp32",
            "weights_sha256": "a" * 64,
            "embeddings_meaningful": meaningful,
            "note": None if meaningful else "the weights of 'openai' could not be downloaded (no network)",
        },
        settings=RunSettings(
            quick=False,
            seed=seed,
            rounds=ROUNDS,
            scenarios=("single", "batch", "concurrency", "server", "offline"),
            time_budget_s=600,
            window_s=2.0,
            min_requests=10,
            p99_ms=50.0,
            goal="latency",
            price_per_hour=2.5 if gpu else None,
            timeout_s=30,
            ready_url="http://127.0.0.1:8002/ready",
        ),
        photos=Photos(folder="photos", found=12, used=12, bytes=1_234_567, sha256="b" * 64, names=("cat.jpg",)),
        backends=(
            *(
                Target(
                    name=n, state="ready", url="http://127.0.0.1:1", server="s 1", elapsed_s=9.0, timings_s=_timings(n)
                )
                for n in base_ms
            ),
            *(() if gpu else (Target(name="tensorrt", state="skipped", reason="no NVIDIA GPU | none at all"),)),
        ),
        fairness=Fairness(
            served=tuple(Served(backend=n, precision="fp16", max_batch_size=64, batch_delay_us=0) for n in base_ms),
            unfair=(),
        ),
        scenarios=scenarios,
        parity_before=_parities(tuple(base_ms)),
        parity_after=() if interrupted else _parities(tuple(base_ms)),
        null_server=tuple(
            NullPoint(
                input=kind,
                transport=transport,
                batch=1,
                in_flight=flying,
                images_per_s=1500.0 * flying**0.6,
                p50_ms=0.3,
                client_cores=0.5,
            )
            for kind in INPUTS
            for transport in ("http", "grpc")
            for flying in (1, *batches)
        ),
        startup=tuple(
            Startup(
                backend=n,
                ready_s=9.0,
                timings_s=_timings(n),
                compile_s=_timings(n).get("compiling", 0.0),
                cold_s=62.0 if n == "tensorrt" else 11.5,
                warm_s=8.0,
            )
            for n in base_ms
        ),
        wan=None,
        skipped=(Skipped(what="wan", reason="not permitted: `tc` needs CAP_NET_ADMIN"),),
        windows=tuple(windows),
        summary=Summary(
            points=tuple(points),
            verdicts=verdicts,
            goal="latency",
            recommendations=recommendations,
            winner=best if clear else None,
            decision=sentence if len(base_ms) > 1 else f"Only {best} was ready; nothing to compare.",
        ),
    )


def _scenarios(batches: tuple[int, ...]) -> tuple[Scenario, ...]:
    made = []
    for kind in INPUTS:
        transports: tuple[Transport, ...] = ("http", "grpc")
        for transport in transports:

            def scenario(
                what: Kind, batch: int = 1, flying: int | None = 1, input_: Input = kind, over: Transport = transport
            ) -> Scenario:
                return Scenario(kind=what, input=input_, transport=over, batch=batch, in_flight=flying)

            made += [scenario("single"), *(scenario("batch", batch) for batch in batches)]
            made += [scenario("concurrency", 1, flying) for flying in batches]
            made += [scenario("server", 1, None), scenario("offline", batches[-1], 8)]
    return tuple(made)


def _figure(value: float, noise: np.random.Generator) -> Figure:
    rounds = tuple(float(each) for each in value * noise.normal(1, 0.01, ROUNDS))
    return Figure(value=float(np.median(rounds)), low=min(rounds), high=max(rounds), rounds=rounds)


def _point(scenario: Scenario, name: str, base: float, noise: np.random.Generator, gpu: bool) -> Point:
    flying, batch = scenario.in_flight or 1, scenario.batch
    gain = (batch * flying) ** 0.55
    speed = 1e3 / base * gain
    latency = batch * flying * 1e3 / speed
    latencies = latency * noise.lognormal(0, 0.15, REQUESTS)
    keys = (0, 10, 25, 50, 75, 90, 95, 99, 99.9, 100)
    mean = float(latencies.mean())
    ns = mean * 1e6
    server = None
    if scenario.kind == "server":
        rates = tuple(
            Rate(
                per_s=speed * share,
                requests=500 if share > 3 else 3000,
                over=0,
                p99_ms=base * 1.5 / (1.02 - share / 5),
                passes=None if 3 < share < 4.5 else share <= 3,
            )
            for share in (0.5, 1, 2, 3, 4, 4.9)
        )
        server = ServerLoad(bound_ms=50, rates=rates, highest_per_s=speed * 3, status="valid", needed=662)
        speed *= 3
    return Point(
        scenario=scenario,
        backend=name,
        images_per_s=_figure(speed, noise),
        p50=None if server else _figure(latency, noise),
        requests=REQUESTS,
        failures=0,
        percentiles_ms={f"{key:g}": float(np.percentile(latencies, key)) for key in keys},
        mean_ms=mean,
        p90_estimate=Estimate(ms=latency * 1.3, requests=REQUESTS, needed=64) if scenario.kind == "single" else None,
        p99_estimate=Estimate(ms=None, requests=REQUESTS, needed=662) if scenario.kind == "single" else None,
        server=server,
        histogram=Latencies.of(latencies / 1e3).encoded,
        split=Split(
            requests=REQUESTS,
            failures=0,
            total_ns=0.9 * ns,
            queue_ns=0.1 * ns,
            input_ns=0.2 * ns,
            infer_ns=0.4 * ns,
            output_ns=0.1 * ns,
        ),
        stable=not (scenario.kind == "concurrency" and flying == 16 and name == "onnx"),
        client_bound="the client used 96 % of a core"
        if scenario.kind == "concurrency" and flying == 64 and scenario.transport == "grpc"
        else None,
        joules_per_image=0.02 / gain + 0.001 * base if gpu else None,
        cost_per_million=2.5 / 3600 / speed * 1e6 if gpu else None,
        problem=None,
    )


def _window(point: Point, number: int, gpu: bool) -> Window:
    assert point.images_per_s is not None
    telemetry = None
    if gpu:
        telemetry = Telemetry.model_validate(
            {
                "elapsed_s": 2.0,
                "gpus": [
                    {
                        "index": 0,
                        "name": "A synthetic GPU",
                        "samples": 20,
                        "utilisation": min(1.0, 0.2 * (point.scenario.in_flight or 1) ** 0.4),
                        "memory_bytes": 3 * 2**30,
                        "energy_j": 300.0,
                        "energy_source": "counter",
                        "power_w": 150.0,
                        "sm_clock_mhz": 1980.0,
                        "sm_clock_min_mhz": 1900.0,
                        "memory_clock_mhz": 2600.0,
                        "temperature_c": 51.0,
                        "throttled": {"SwPowerCap": 0.25} if point.scenario.kind == "offline" else {},
                    }
                ],
                "backends": {
                    point.backend: {"processes": 3, "cpu_s": 2.4, "resident_bytes": 2**31, "gpu_memory_bytes": 2**30}
                },
            }
        )
    return Window(
        round=number,
        scenario=point.scenario,
        backend=point.backend,
        started="2026-01-02T03:04:05Z",
        requests=point.requests // ROUNDS,
        images=point.requests // ROUNDS * point.scenario.batch,
        failures=point.failures if number == 2 else 0,
        errors=("out of memory <b>now</b>",) if point.failures and number == 2 else (),
        elapsed_s=2.0,
        images_per_s=point.images_per_s.rounds[number - 1],
        histogram=point.histogram or "",
        p50_ms=point.percentiles_ms["50"],
        p90_ms=point.percentiles_ms["90"],
        p99_ms=point.percentiles_ms["99"],
        mean_ms=point.mean_ms,
        latencies_ms=None,
        payload_bytes=1_000_000,
        client_processes=1,
        client_cores=0.4,
        client_busy=0.4,
        first_photo=number,
        split=point.split,
        telemetry=telemetry,
    )


def _verdict(scenario: Scenario, points: list[Point]) -> Verdict:
    sound = {p.backend: p for p in points if p.scenario == scenario and not p.problem}
    if len(sound) < 2:
        alone = next(iter(sound), None)
        reason = f"{alone} alone was free of problems" if alone else "no backend was free of problems"
        return Verdict(scenario=scenario, winner=alone, leader=alone, ahead={}, reason=reason)
    speeds = {name: p.images_per_s.value for name, p in sound.items() if p.images_per_s}
    leader = max(speeds, key=lambda name: speeds[name])
    ahead = {
        name: Interval(
            value=speeds[leader] / speed, low=speeds[leader] / speed * 0.97, high=speeds[leader] / speed * 1.03
        )
        for name, speed in speeds.items()
        if name != leader
    }
    wins = all(each.low > 1 and each.value > 1.02 for each in ahead.values())
    return Verdict(scenario=scenario, winner=leader if wins else None, leader=leader, ahead=ahead, reason=None)


def _timings(name: str) -> dict[str, float]:
    steps = {"starting": 1.2, "loading": 3.4, "warming": 2.9, "verifying": 0.6}
    return {**steps, "compiling": 48.0} if name == "tensorrt" else steps


def _parities(names: tuple[str, ...]) -> tuple[Parity, ...]:
    return tuple(
        Parity(
            backend=name,
            input=kind,
            reference=names[0],
            error=0.0 if name == names[0] else 0.0012,
            cosine=0.99999,
            bound=0.02,
            agrees=True,
        )
        for name in names
        for kind in INPUTS
    )
