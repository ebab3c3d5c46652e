"""A long mixed load on the PyTorch server, every answer checked: nothing lost, nothing wrong, no memory that only grows."""

import http.client
import random
import threading
import time
from collections import Counter
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from rich.console import Console
from rich.progress import Progress

from bench.server.corpus import Corpus, make_corpus
from bench.server.requests import Body, body_of_files, body_of_pixels, embeddings
from bench.telemetry.nvml import memory_by_process
from bench.telemetry.processes import ServerProcesses

BAD_SHARE = 0.01
CANCELLED_SHARE = 0.01
ORDINARY_SHARE = 0.9
PIXELS_SHARE = 0.3
ERROR_BOUND = 0.05
"""Of the spread: what decoding on a GPU may differ from the reference, and then some for the arithmetic."""

BATCHES = (1, 1, 1, 2, 3, 5, 8, 16, 31, 32)
BAD_FILE = b"\xff\xd8\xff\xe0 this is not a photo"
TIMEOUT_S = 120.0
PAUSE_S = 0.2
"""After a 503, before the same request is sent again."""

SAMPLES = 20
MIB = 2**20


@dataclass
class Outcome:
    """What one client process saw; counts by what happened, and the largest error of an embedding."""

    images: int = 0
    largest_error: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)

    def __add__(self, other: "Outcome") -> "Outcome":
        """Return both together."""
        return Outcome(
            self.images + other.images, max(self.largest_error, other.largest_error), self.counts + other.counts
        )


def soak(url: str, photos: Path, images: int, processes: int, connections: int, console: Console) -> dict[str, Any]:
    """Send `images` images in all and return what happened.

    Args:
        url: base URL of the server on this machine.
        photos: folder of the photos.
        images: to embed and check.
        processes: client processes.
        connections: of each process, one thread each.
        console: where the progress goes.

    Returns:
        A document with `images`, `counts`, `largest_error` (of the spread), and `memory`, a list of samples with
        `images`, `resident_mib` and `gpu_mib`.

    Raises:
        BenchError: no server runs there, or the reference cannot be computed.
    """
    server = ServerProcesses(url)
    console.print("making the images and their reference embeddings")
    corpus = make_corpus(photos)
    step = max(1, images // SAMPLES)
    outcome, memory = Outcome(), [_memory(server, 0)]
    start = time.monotonic()
    with (
        ProcessPoolExecutor(processes, get_context("spawn"), initializer=_keep, initargs=(corpus,)) as pool,
        Progress(console=console) as progress,
    ):
        task = progress.add_task("images", total=images)
        seed = 0
        while outcome.images < images:
            share = -(-step // (processes * connections))
            futures: list[Future[Outcome]] = []
            for _ in range(processes):
                futures.append(pool.submit(_client, urlsplit(url).netloc, share, connections, seed))
                seed += 1
            for future in futures:
                outcome += future.result()
            memory.append(_memory(server, outcome.images))
            progress.update(task, completed=outcome.images)
    return {
        "images": outcome.images,
        "seconds": round(time.monotonic() - start, 1),
        "counts": dict(outcome.counts),
        "largest_error": outcome.largest_error,
        "memory": memory,
    }


def problems(document: dict[str, Any]) -> list[str]:
    """Return what a soak found wrong, in words; empty when all is well."""
    counts = document["counts"]
    found = [
        f"{counts[name]} requests {words}"
        for name, words in (
            ("wrong", "with a wrong embedding"),
            ("lost", "without an answer"),
            ("refused", "that were good and were refused"),
            ("accepted", "that were bad and were accepted"),
        )
        if counts.get(name)
    ]
    samples = document["memory"]
    settled = [sample for sample in samples if sample["images"] >= document["images"] / 10]
    for key, slack in (("resident_mib", 0.05), ("gpu_mib", 0.0)):
        values = [sample[key] for sample in settled if sample[key] is not None]
        if len(values) > 1 and np.mean(values[-3:]) > max(values[:3]) * (1 + slack):
            found.append(f"{key} grew from {max(values[:3]):.0f} to {np.mean(values[-3:]):.0f}")
    return found


def _memory(server: ServerProcesses, images: int) -> dict[str, float | None]:
    gpu = server.gpu_bytes(memory_by_process())
    return {
        "images": images,
        "resident_mib": round(server.resident_bytes() / MIB),
        "gpu_mib": None if gpu is None else round(gpu / MIB),
    }


_corpus: list[Corpus] = []


def _keep(corpus: Corpus) -> None:
    _corpus[:] = [corpus]


def _client(address: str, images: int, connections: int, seed: int) -> Outcome:
    outcomes = [Outcome() for _ in range(connections)]
    threads = []
    for index, outcome in enumerate(outcomes):
        rng = random.Random(f"{seed}-{index}")  # noqa: S311  # repeatable, not secret
        client = _Connection(address, _corpus[0], rng, outcome)
        threads.append(threading.Thread(target=client.run, args=(images,)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(outcomes, Outcome())


class _Connection:
    """One client: sends requests of all kinds and checks what comes back."""

    def __init__(self, address: str, corpus: Corpus, rng: random.Random, outcome: Outcome) -> None:
        self._connection = http.client.HTTPConnection(address, timeout=TIMEOUT_S)
        self._corpus = corpus
        self._rng = rng
        self._outcome = outcome

    def run(self, images: int) -> None:
        """Send until `images` were embedded."""
        while self._outcome.images < images:
            rows = [self._row() for _ in range(self._rng.choice(BATCHES))]
            fate = self._rng.random()
            try:
                if fate < BAD_SHARE:
                    self._bad(rows)
                elif fate < BAD_SHARE + CANCELLED_SHARE:
                    self._cancelled(rows)
                else:
                    self._good(rows)
            except (OSError, http.client.HTTPException):
                self._outcome.counts["lost"] += 1
                self._connection.close()
        self._connection.close()

    def _good(self, rows: list[int]) -> None:
        body = self._body(rows)
        while True:
            self._send(body)
            answer = self._connection.getresponse()
            data = answer.read()
            if answer.status != 503:
                break
            self._outcome.counts["sent again after 503"] += 1
            time.sleep(PAUSE_S)
        if answer.status != 200:
            self._outcome.counts["refused"] += 1
            return
        found = embeddings(data, int(answer.headers["Inference-Header-Content-Length"]))
        expected = self._corpus.embeddings[rows]
        error = float(np.linalg.norm(found - expected, axis=1).max() / self._corpus.spread)
        self._outcome.counts["right" if error <= ERROR_BOUND else "wrong"] += 1
        self._outcome.largest_error = max(self._outcome.largest_error, error)
        self._outcome.images += len(rows)

    def _bad(self, rows: list[int]) -> None:
        files = [self._corpus.files[row] for row in rows]
        files[self._rng.randrange(len(files))] = BAD_FILE
        self._send(body_of_files(files))
        answer = self._connection.getresponse()
        answer.read()
        self._outcome.counts["bad, answered 400" if answer.status == 400 else "accepted"] += answer.status != 503

    def _cancelled(self, rows: list[int]) -> None:
        self._send(self._body(rows))
        time.sleep(self._rng.random() * 0.02)
        self._connection.close()
        self._outcome.counts["cancelled"] += 1

    def _row(self) -> int:
        if self._rng.random() < ORDINARY_SHARE:
            return self._rng.choice(self._corpus.ordinary)
        return self._rng.randrange(len(self._corpus.files))

    def _body(self, rows: list[int]) -> Body:
        if self._rng.random() < PIXELS_SHARE:
            return body_of_pixels([self._corpus.pixels[row].tobytes() for row in rows])
        return body_of_files([self._corpus.files[row] for row in rows])

    def _send(self, body: Body) -> None:
        self._connection.request("POST", body.path, body.data, body.headers)
