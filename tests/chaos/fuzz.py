"""`python -m tests.chaos.fuzz`: damaged images and requests through the code that reads them, in process and on the ports,
and hostile HTTP/1.1 to 8002.

A crash ends the process, a hang too (with a traceback); anything else that is not a clean refusal is an error.
"""

import argparse
import contextlib
import faulthandler
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil

from server.images import ImageError, prepare
from server.images.jpeg import gpu_decodable
from server.oip.errors import InferenceError
from server.oip.request import parse_request
from server.oip.spec import model_specs
from tests.chaos.corpus import body_seeds, image_seeds, mutations
from tests.chaos.costly import Costly, costly_files
from tests.chaos.fuzz_http import Unexpected, fuzz_http
from tests.chaos.http_cases import Target
from tests.chaos.processes import PROGRAMS, resident
from tests.stack.stack import RunningStack, start

SHIFT = 13_000
HANG_S = 20
MIB = 2**20
MAX_PIXELS = 2_000_000
SOME_MS = 50
MS_A_MEGAPIXEL = 100
"""What `DECODE_CPU_S` is at `MAX_MEGAPIXELS`, as both are set."""
MS_A_MEGABYTE = 2_000
LOOK_MS_A_MEGABYTE = 20
"""Of what the event loop does with a file before it is decoded."""
MEMORY_GROWTH = 200 * 2**20
"""Bytes that a process may grow by after its first tenth of the inputs."""


HTTP_TARGETS = [
    Target("GET", "/health", 200),
    Target("GET", "/nothing", 404),
    Target("POST", "/embed", 400),
    Target("POST", "/v2/models/openclip_vit_b32/infer", 400),
]

BAD_INPUT_ON_TRITON = frozenset({"200", "400", "404", "500"})
"""Triton 2.51 answers JSON that it cannot read 500, in words; that cannot be configured."""


def allowed(backend: str, *, images: bool) -> frozenset[str]:
    """Return the statuses that damaged input may be answered with."""
    return BAD_INPUT_ON_TRITON if backend == "onnx" and not images else frozenset({"200", "400"})


def fuzz_images(count: int, seed: int) -> Counter[str]:
    """Put damaged files through the image path; return how many were read and how many refused."""
    found: Counter[str] = Counter()
    for data, _ in zip(mutations(image_seeds(), seed), range(count), strict=False):
        faulthandler.dump_traceback_later(HANG_S, exit=True)
        gpu_decodable(data)
        try:
            pixels = prepare(data, max_pixels=MAX_PIXELS, upright=True)
            assert pixels.shape == (3, 224, 224)
            found["images read"] += 1
        except ImageError:
            found["images refused"] += 1
    faulthandler.cancel_dump_traceback_later()
    return found


def fuzz_requests(count: int, seed: int) -> Counter[str]:
    """Put damaged bodies through the protocol's parser."""
    found: Counter[str] = Counter()
    seeds = body_seeds()
    specs = model_specs(128)
    streams = [mutations([body], seed + index, 400) for index, (body, _) in enumerate(seeds)]
    for number in range(count):
        index = number % len(seeds)
        faulthandler.dump_traceback_later(HANG_S, exit=True)
        try:
            parse_request(memoryview(next(streams[index])), seeds[index][1], specs[(index + 1) % 2])
            found["requests read"] += 1
        except InferenceError:
            found["requests refused"] += 1
    faulthandler.cancel_dump_traceback_later()
    return found


def fuzz_cost(count: int, seed: int) -> list[str]:
    """Look for images whose processor time neither their pixels nor their bytes explain; print the worst, return what is wrong."""
    spent: list[tuple[float, float, Costly]] = []
    for file, _ in zip(costly_files(seed, MAX_PIXELS), range(count), strict=False):
        faulthandler.dump_traceback_later(HANG_S, exit=True)
        looked = _ms(lambda data=file.data: gpu_decodable(data))
        spent.append((looked, _ms(lambda data=file.data: _prepared(data)), file))
    faulthandler.cancel_dump_traceback_later()
    by_byte = sorted(spent, key=lambda one: one[1] / len(one[2].data), reverse=True)
    print(f"{count} images by what they cost; the most for their bytes:")
    for _, took, file in by_byte[:5]:
        print(
            f"  {took / len(file.data):.4f} ms a byte: {took:.0f} ms, {len(file.data)} bytes, {file.kind} {file.choices}"
        )
    return [
        f"{file.kind} of {len(file.data)} bytes {file.choices}: {took:.0f} ms to decode, {looked:.1f} ms before that"
        for looked, took, file in spent
        if took > SOME_MS + MS_A_MEGAPIXEL * file.pixels / 1e6 + MS_A_MEGABYTE * len(file.data) / 1e6
        or looked > SOME_MS + LOOK_MS_A_MEGABYTE * len(file.data) / 1e6
    ]


def _prepared(data: bytes) -> None:
    with contextlib.suppress(ImageError):
        prepare(data, max_pixels=MAX_PIXELS)


def _ms(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return (time.process_time() - began) * 1e3


def fuzz_port(url: str, headers: dict[str, str], count: int, seed: int, *, images: bool) -> Counter[str]:
    """Send damaged files, or damaged bodies, to a running backend; return the answers by status.

    Files go to the encoded model as the whole body, which the server reads as one element.
    """
    found: Counter[str] = Counter()
    seeds = [(file, "0") for file in image_seeds()] if images else body_seeds()
    streams = [mutations([body], seed + index, None if images else 400) for index, (body, _) in enumerate(seeds)]
    model = "openclip_vit_b32_encoded"
    with httpx.Client(timeout=60, headers=headers) as client:
        for number in range(count):
            index = number % len(seeds)
            length = seeds[index][1]
            own = {"Inference-Header-Content-Length": length} if length else {}
            answer = client.post(f"{url}/v2/models/{model}/infer", content=next(streams[index]), headers=own)
            found[str(answer.status_code)] += 1
            if answer.status_code != 200:
                # Triton quotes what it cannot read, as the bytes that came
                assert json.loads(answer.content.decode(errors="replace"))["error"]
    return found


def fuzz_in_process(count: int, seed: int) -> list[str]:
    """Fuzz the code itself, print what came out, and return what is wrong."""
    process = psutil.Process()
    began, tenth = time.monotonic(), max(1, count // 20)
    found = fuzz_images(tenth, seed) + fuzz_requests(tenth, seed)
    level = process.memory_info().rss
    rest = count // 2 - tenth
    found += fuzz_images(rest, seed + 1) + fuzz_requests(rest, seed + 1)
    growth = process.memory_info().rss - level
    seconds = time.monotonic() - began
    print(f"{count} inputs in {seconds:.0f} s: {dict(found)}; memory grew by {growth / MIB:.0f} MiB")
    return [f"memory grew by {growth / MIB:.0f} MiB"] if growth > MEMORY_GROWTH else []


def fuzz_backend(stack: RunningStack, backend: str, count: int, seed: int) -> list[str]:
    """Fuzz a running backend, print what came out, and return what is wrong."""
    before = {process.pid for process in stack.processes()}
    found = []
    for images in (True, False):
        fuzz_port(stack.url(backend), stack.headers, count // 10, seed, images=images)
        level = resident(stack, backend)
        answers = fuzz_port(stack.url(backend), stack.headers, count, seed + 1, images=images)
        growth = resident(stack, backend) - level
        title = f"{backend}, {'images' if images else 'requests'}"
        print(f"{title}: answers by status {dict(answers)}; memory grew by {growth / MIB:.0f} MiB")
        found += [f"{title}: answered {status}" for status in set(answers) - allowed(backend, images=images)]
        found += [f"{title}: memory grew by {growth / MIB:.0f} MiB"] if growth > MEMORY_GROWTH else []
    gone = before - {process.pid for process in stack.processes()}
    return [*found, *([f"{backend}: processes {sorted(gone)} have ended"] if gone else [])]


def fuzz_connections(stack: RunningStack, count: int, seed: int) -> list[str]:
    """Send hostile HTTP/1.1 to 8002, print what came out, and return what is wrong."""
    before = {process.pid for process in stack.processes()}
    fuzz_http(stack.host, stack.ports["pytorch"], HTTP_TARGETS, stack.headers, count // 10, seed)
    level, began = resident(stack, "pytorch"), time.monotonic()
    try:
        found = fuzz_http(stack.host, stack.ports["pytorch"], HTTP_TARGETS, stack.headers, count, seed + 1)
    except Unexpected as error:
        return [str(error)]
    growth = resident(stack, "pytorch") - level
    print(f"pytorch, HTTP: {dict(found)} in {time.monotonic() - began:.0f} s; memory grew by {growth / MIB:.0f} MiB")
    gone = before - {process.pid for process in stack.processes()}
    return [
        *([f"pytorch, HTTP: memory grew by {growth / MIB:.0f} MiB"] if growth > MEMORY_GROWTH else []),
        *([f"pytorch, HTTP: processes {sorted(gone)} have ended"] if gone else []),
    ]


def main() -> None:
    """Run and report; exit 1 when something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000, help="inputs in process, half images and half requests")
    parser.add_argument("--port-count", type=int, default=2_000, help="images, and requests, for each backend; 0: none")
    parser.add_argument("--cost-count", type=int, default=2_000, help="images whose cost is measured, in process")
    parser.add_argument(
        "--http-count", type=int, default=100_000, help="connections with hostile HTTP to 8002; 0: none"
    )
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    problems = fuzz_in_process(arguments.count, arguments.seed) + fuzz_cost(arguments.cost_count, arguments.seed)
    if arguments.port_count or arguments.http_count:
        with tempfile.TemporaryDirectory() as folder:
            stack = start(Path(folder) / "home", SHIFT, BACKENDS=",".join(PROGRAMS))
            try:
                stack.wait(200)
                if arguments.http_count:
                    problems += fuzz_connections(stack, arguments.http_count, arguments.seed)
                for backend in PROGRAMS if arguments.port_count else ():
                    problems += fuzz_backend(stack, backend, arguments.port_count, arguments.seed)
                if stack.ready()[0] != 200:
                    problems.append("the stack is not ready any more")
            finally:
                stack.stop()
    if problems:
        sys.exit("\n".join(problems))


if __name__ == "__main__":
    main()
