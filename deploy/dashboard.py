"""`python -m deploy.dashboard`: writes the Grafana dashboard, the same panels for every backend, one column each.

The result lies in `deploy/grafana/dashboards/bakeoff.json`, and a test holds the two equal.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from server.setting_types import BACKEND_NAMES

FILE = Path(__file__).parent / "grafana" / "dashboards" / "bakeoff.json"
SOURCE = {"type": "prometheus", "uid": "prometheus"}
WIDTH, HEIGHT, STATUS_HEIGHT = 24, 7, 4
"""Of Grafana's grid: columns of the whole, rows of a chart and of a single value."""

LOOK = {"lineWidth": 1, "fillOpacity": 8, "showPoints": "never", "spanNulls": False}


@dataclass(frozen=True)
class Panel:
    """A chart; `queries` are its expressions by legend, with JOB for the backend's name."""

    title: str
    unit: str
    queries: dict[str, str]


BACKEND_PANELS = (
    Panel("images/s", "short", {"images/s": 'backend:images:rate1m{job="JOB"}'}),
    Panel("latency of encoded photos", "s", {"p{{quantile}}": 'backend:latency_seconds{job="JOB"}'}),
    Panel("mean wait in the queue", "s", {"wait": 'backend:queue_seconds:mean1m{job="JOB"}'}),
    Panel("mean batch", "short", {"images": 'backend:batch_size:mean1m{job="JOB"}'}),
    Panel(
        "failures/s, by reason",
        "short",
        {"{{reason}}": 'sum by (reason) (rate(nv_inference_request_failure{job="JOB"}[1m]))'},
    ),
)

CONTAINER_PANELS = (
    Panel("GPU utilisation", "percentunit", {"{{gpu_uuid}}": "max by (gpu_uuid) (nv_gpu_utilization)"}),
    Panel("GPU memory", "bytes", {"{{gpu_uuid}}": "max by (gpu_uuid) (nv_gpu_memory_used_bytes)"}),
    Panel("errors/s on 8002, by reason", "short", {"{{reason}}": "sum by (reason) (rate(bakeoff_errors_total[1m]))"}),
    Panel(
        "stages on 8002, p99",
        "s",
        {
            "{{stage}}": "histogram_quantile(0.99, sum by (stage, le) (rate(bakeoff_stage_duration_seconds_bucket[1m])))",
        },
    ),
    Panel(
        "seconds of the start",
        "s",
        {"{{backend}} {{state}}": "bakeoff_startup_seconds", "engine": "bakeoff_engine_build_seconds"},
    ),
    Panel("parity error", "short", {"{{backend}} {{input}}": "bakeoff_parity_error"}),
)


def dashboard() -> dict[str, Any]:
    """Return the dashboard in Grafana's JSON model."""
    column = WIDTH // len(BACKEND_NAMES)
    panels: list[dict[str, Any]] = []
    for index, name in enumerate(BACKEND_NAMES):
        panels.append(_state(name, _at(index * column, 0, column, STATUS_HEIGHT)))
        for row, panel in enumerate(BACKEND_PANELS):
            panels.append(_chart(panel, name, _at(index * column, STATUS_HEIGHT + row * HEIGHT, column, HEIGHT)))
    top = STATUS_HEIGHT + len(BACKEND_PANELS) * HEIGHT
    for index, panel in enumerate(CONTAINER_PANELS):
        place = _at(index % len(BACKEND_NAMES) * column, top + index // len(BACKEND_NAMES) * HEIGHT, column, HEIGHT)
        panels.append(_chart(panel, None, place))
    return {
        "uid": "clip-bakeoff",
        "title": "clip-bakeoff",
        "schemaVersion": 39,
        "editable": False,
        "refresh": "5s",
        "time": {"from": "now-15m", "to": "now"},
        "panels": [{"id": number, **panel} for number, panel in enumerate(panels, start=1)],
    }


def _at(x: int, y: int, width: int, height: int) -> dict[str, int]:
    return {"x": x, "y": y, "w": width, "h": height}


def _state(name: str, place: dict[str, int]) -> dict[str, Any]:
    target = {
        "refId": "A",
        "expr": f'bakeoff_backend_state{{backend="{name}"}} == 1',
        "legendFormat": "{{state}}",
        "instant": True,
    }
    return {
        "type": "stat",
        "title": name,
        "datasource": SOURCE,
        "gridPos": place,
        "targets": [target],
        "options": {"textMode": "name", "colorMode": "none", "graphMode": "none"},
    }


def _chart(panel: Panel, name: str | None, place: dict[str, int]) -> dict[str, Any]:
    return {
        "type": "timeseries",
        "title": f"{name}: {panel.title}" if name else panel.title,
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0, "custom": LOOK}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + index), "expr": expression.replace("JOB", name or ""), "legendFormat": legend}
            for index, (legend, expression) in enumerate(panel.queries.items())
        ],
    }


if __name__ == "__main__":
    FILE.write_text(json.dumps(dashboard(), indent=1) + "\n", encoding="utf-8")
