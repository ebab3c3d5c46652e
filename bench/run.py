"""One run of the benchmark, from asking the stack what it serves to the report."""

import time
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import grpc
from rich.console import Console

from bench import resume, starts
from bench.acceptance import accepted
from bench.client.connections import GrpcConnection
from bench.client.endpoint import Endpoint
from bench.client.pool import Clients, usual_processes
from bench.control import Control
from bench.document import Document
from bench.errors import BenchError
from bench.fairness import Fairness, Served, compare
from bench.folder import RunFolder
from bench.measurement import Measurement, described
from bench.one_window import Windows
from bench.options import BenchOptions
from bench.outcome import show
from bench.photos import load_photos
from bench.progress import RunProgress
from bench.result import Skipped
from bench.scenarios import Scenario
from bench.slow_links import open_links
from bench.table import scenarios, speaking
from bench.targets import Stack, discover, server_gpus
from bench.telemetry import Sampler
from bench.wan import Unavailable
from bench.watch import Watch

GRPC_WAIT_S = 3.0


def run_benchmark(options: BenchOptions, console: Console) -> Path:
    """Measure every ready backend and write the result and the report.

    Progress and the decision are printed on `console`. Ctrl-C, or an error, ends the run early; its complete rounds are
    kept and reported, and `options.resume` goes on from there.

    Returns:
        The run's folder under `options.results`, named by the UTC time of its start, holding `result.json` (schema:
        `Result`) and the report. It appears after the first round and is replaced in one step after every other.

    Raises:
        BenchError: there is nothing to measure, nothing was measured, or an error ended the rounds early; the message says
            what to do.
    """
    began, started = time.monotonic(), datetime.now(UTC)
    earlier = resume.load(options)
    photos = load_photos(options.photos, options.max_photos)
    stack = discover(options.addresses)
    with ExitStack() as opened:
        stack, skipped = _without_deaf_grpc(stack, options)
        controls = {
            target.name: opened.enter_context(
                Control(target.name, target.endpoint(options.addresses.headers, options.timeout_s))
            )
            for target in stack.ready
        }
        stack = _with_servers(stack, controls)
        photos = accepted(photos, controls, stack.max_batch_size)
        for each in photos.left_out:
            console.print(f"left out: {each.name}: {each.reason}", style="yellow", markup=False, highlight=False)
        fairness = _fairness(controls)
        points = _points(options, stack) if earlier is None else resume.points(earlier, stack)
        links: dict[str, Endpoint] = {}
        wan = None
        if any(each.kind == "wan" for each in points):
            try:
                links, wan = open_links({name: each.endpoint for name, each in controls.items()}, opened)
            except Unavailable as error:
                if earlier is not None:
                    raise BenchError(f"the slow link of the earlier run cannot be made: {error}") from error
                skipped.append(Skipped(what="wan", reason=str(error)))
                points = {each: names for each, names in points.items() if each.kind != "wan"}
        if not points:
            raise BenchError(f"nothing is left to measure: {'; '.join(each.reason for each in skipped)}")
        clients = opened.enter_context(Clients(photos, options.processes or usual_processes()))
        urls = {name: each.endpoint.url for name, each in controls.items()}
        sampler = opened.enter_context(Sampler(urls, server_gpus(options.addresses, "uuid")))
        watch = opened.enter_context(Watch(options.addresses))
        measuring = Windows(clients, controls, watch, sampler, seed=options.seed, bound_ms=options.p99_ms)
        measuring.slow_links = links
        run = Measurement(options, stack, measuring, photos, points, began)
        document = Document(options, stack, fairness, photos, run, started, earlier)
        document.wan = wan
        if "startup" in options.measured_kinds and earlier is None:
            document.startup, not_started = starts.measure(options, stack, console.print)
            skipped += not_started
        run.skipped += dict.fromkeys([*(earlier.skipped if earlier else ()), *skipped])
        if earlier is not None:
            resume.check(earlier, document)
            run.resume(earlier.windows, earlier.complete_rounds, earlier.parity_before)
        folder = RunFolder(options.results, document.started, options.resume)
        for reason in fairness.unfair:
            console.print(f"unfair: {reason}", style="yellow", markup=False, highlight=False)
        with RunProgress(console, options.budget_s) as progress:
            run.measure(progress, lambda: folder.keep(document.result(finished=False)))
    if not run.complete_rounds:
        raise BenchError("interrupted before the first round was complete; nothing was kept")
    result = document.result(finished=not run.interrupted)
    folder.keep(result)
    folder.report(result)
    show(result, folder.path, console)
    if run.error:
        raise BenchError(
            f"{described(run.error)}; {run.complete_rounds} of {options.rounds} rounds are complete, kept and reported; "
            f"go on with --resume {folder.path}"
        ) from run.error
    return folder.path


def _points(options: BenchOptions, stack: Stack) -> dict[Scenario, list[str]]:
    transports = {target.name: target.transports for target in stack.ready}
    found = scenarios(
        options.measured_kinds,
        {each for spoken in transports.values() for each in spoken},
        stack.max_batch_size,
        stack.on_gpu,
        options.quick,
    )
    return {each: speaking(each, transports) for each in found}


def _fairness(controls: Mapping[str, Control]) -> Fairness:
    served = []
    for name, control in controls.items():
        try:
            served.append(control.served())
        except Exception:  # it is measured all the same; what it does not tell shows as a difference
            served.append(Served(backend=name, precision=None, max_batch_size=None, batch_delay_us=None))
    return compare(served)


def _with_servers(stack: Stack, controls: Mapping[str, Control]) -> Stack:
    targets = []
    for target in stack.targets:
        if target.name in controls:
            try:
                target = target.model_copy(update={"server": controls[target.name].server()})
            except Exception as error:
                raise BenchError(
                    f"{target.name} does not answer at {target.url} ({error}), though the stack says that it is ready; "
                    "see `bakeoff status`, and give its address with --url NAME=URL or --port where it is elsewhere"
                ) from error
        targets.append(target)
    return stack.model_copy(update={"targets": tuple(targets)})


def _without_deaf_grpc(stack: Stack, options: BenchOptions) -> tuple[Stack, list[Skipped]]:
    """Leave out gRPC where it cannot be reached, such as behind a proxy that speaks HTTP only."""
    if options.quick:
        return stack, []
    targets, skipped = [], []
    for target in stack.targets:
        if target.ready and target.grpc_url and not _listens(target.endpoint(options.addresses.headers, GRPC_WAIT_S)):
            reason = f"nothing answers at {target.grpc_url}; map the port with --port"
            skipped.append(Skipped(what=f"{target.name} over gRPC", reason=reason))
            target = target.model_copy(update={"grpc_url": None})
        targets.append(target)
    return stack.model_copy(update={"targets": tuple(targets)}), skipped


def _listens(endpoint: Endpoint) -> bool:
    connection = GrpcConnection(endpoint)
    try:
        connection.open()
    except grpc.FutureTimeoutError:
        return False
    finally:
        connection.close()
    return True
