"""Draws published figures beside ours, as theirs."""

from dataclasses import replace

from bench.figures import number, optional
from bench.reference import Reference, ReferenceBackend
from bench.report.charts import Chart, LineChart, Panel, Series, Spot
from bench.report.document import Document, Section, Table
from bench.scenarios import TITLES


def with_reference(document: Document, reference: Reference) -> Document:
    """Return `document` with their curves in the charts of batch sizes and percentiles, and a section on them."""
    sections = [
        replace(section, charts=tuple(_extended(chart, reference) for chart in section.charts))
        for section in document.sections
    ]
    at = next((i for i, section in enumerate(sections) if section.title == "Agreement"), len(sections))
    return replace(document, sections=(*sections[:at], _section(reference), *sections[at:]))


def _extended(chart: Chart, reference: Reference) -> Chart:
    if not isinstance(chart, LineChart) or chart.key not in ("throughput-batch", "percentiles"):
        return chart
    panels = []
    for panel in chart.panels:
        lines = [
            Series(f"theirs: {each.backend}, A100", each.backend, _spots(chart, each), theirs=True)
            for each in reference.backends
            if panel.title in (TITLES[each.input], f"{TITLES[each.input]}, one in flight")
        ]
        panels.append(Panel(panel.title, (*panel.series, *lines)))
    caption = (
        f"{chart.caption} Dotted with hollow markers: {reference.title}, not measured by us and not comparable (below)."
    )
    return replace(chart, panels=tuple(panels), caption=caption)


def _spots(chart: LineChart, each: ReferenceBackend) -> tuple[Spot, ...]:
    if chart.key == "percentiles":
        return tuple(
            Spot(p, ms) for p, ms in ((50, each.single.p50_ms), (95, each.single.p95_ms), (99, each.single.p99_ms))
        )
    return tuple(Spot(point.batch, point.images_per_s) for point in each.batches)


def _section(reference: Reference) -> Section:
    source = reference.source
    text = (
        f"Not ours: published by the first team for one {reference.gpu} on {reference.date}, measured from {reference.client}. "
        f"The numbers are those of `{source.files[0]}` in `{source.repository}` at commit `{source.commit[:12]}`. "
        "What was wrong about how they were measured, and why they are no yardstick:\n\n"
        + "\n".join(f"- {problem}" for problem in reference.problems)
    )
    rows = [
        [
            each.theirs,
            each.payload,
            each.precision,
            *(number(ms) for ms in (each.single.p50_ms, each.single.p95_ms, each.single.p99_ms)),
            optional(each.server_compute_ms),
            *(optional(_speed(each, batch)) for batch in _batches(reference)),
        ]
        for each in reference.backends
    ]
    heads = ["theirs", "sent for an image", "precision", "p50", "p95", "p99", "compute"]
    heads += [f"batch {batch}" for batch in _batches(reference)]
    return Section(
        "Theirs: the first team's table", text, (Table(heads, rows, 3, "One image: milliseconds; batches: images/s"),)
    )


def _batches(reference: Reference) -> list[int]:
    return sorted({point.batch for each in reference.backends for point in each.batches})


def _speed(each: ReferenceBackend, batch: int) -> float | None:
    return next((point.images_per_s for point in each.batches if point.batch == batch), None)
