"""Figures that other people published, to be drawn beside ours and marked as theirs. Facts only: numbers and their source."""

from pathlib import Path
from typing import Literal

from bench.records import Record
from bench.scenarios import Input

FILE = Path(__file__).with_name("first-team-a100.json")


class Source(Record):
    """Where the figures come from: a repository on GitHub at a commit, and the files in it."""

    repository: str
    commit: str
    files: tuple[str, ...]


class Single(Record):
    """Client-side latency of one image, one request in flight, in milliseconds."""

    requests: int
    mean_ms: float
    p50_ms: float
    p95_ms: float
    p99_ms: float


class Batch(Record):
    """One batch size, one request in flight."""

    batch: int
    mean_ms: float
    images_per_s: float


class ReferenceBackend(Record):
    """One backend as they measured it.

    Attributes:
        backend: our name of it.
        theirs: their name of it.
        input: whether it was sent image files or pixels.
        payload: what was sent for an image, in words.
        precision: arithmetic of the model.
        server_compute_ms, server_total_ms: mean per request by the server's own account; None where it gives none.
    """

    backend: str
    theirs: str
    input: Input
    payload: str
    precision: Literal["fp16", "fp32"]
    single: Single
    batches: tuple[Batch, ...]
    server_compute_ms: float | None
    server_total_ms: float | None


class Reference(Record):
    """A published table.

    Attributes:
        title: as it is called in a report.
        date: of the measurement.
        gpu, client: what it was measured on and from.
        backends: the figures.
        problems: what was wrong about how it was measured, a sentence each, Markdown.
    """

    title: str
    date: str
    gpu: str
    client: str
    source: Source
    backends: tuple[ReferenceBackend, ...]
    problems: tuple[str, ...]


def first_team() -> Reference:
    """Return the first team's table of one A100, as they published it."""
    return Reference.model_validate_json(FILE.read_text(encoding="utf-8"))
