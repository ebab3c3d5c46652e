"""What Prometheus and Grafana are given: scraped ports, rules, alerts, and a dashboard that draws what exists."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.dashboard import FILE, dashboard
from server.setting_types import BACKEND_NAMES
from server.settings import Settings

ROOT = Path(__file__).parents[3]
RECORDED = ROOT / "tests" / "unit" / "live" / "recorded"
ONLY_WITH = {
    "nv_gpu_utilization",
    "nv_gpu_memory_used_bytes",
    "nv_gpu_memory_total_bytes",
    "bakeoff_engine_build_seconds",
}
"""Metrics that need a GPU, or were not there when the pages were recorded."""

LABELS = {
    "by",
    "on",
    "instance",
    "job",
    "model",
    "reason",
    "le",
    "gpu_uuid",
    "quantile",
    "state",
    "backend",
    "stage",
    "input",
}
FUNCTIONS = {"unless", "sum", "rate", "max", "histogram_quantile", "changes", "up"}


def read(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def promtool(*words: str) -> None:
    tool = shutil.which("promtool")
    if tool is None:
        pytest.skip("no promtool here: apt-get install prometheus")
    answer = subprocess.run([tool, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "FAILED" not in answer.stdout + answer.stderr


def expressions() -> list[str]:
    rules = [rule["expr"] for group in read("deploy/rules.yml")["groups"] for rule in group["rules"]]
    return rules + [target["expr"] for panel in dashboard()["panels"] for target in panel["targets"]]


def test_prometheus_scrapes_every_backend_under_its_name() -> None:
    targets = {
        job["job_name"]: job["static_configs"][0]["targets"] for job in read("deploy/prometheus.yml")["scrape_configs"]
    }
    fields = Settings.model_fields
    assert targets == {
        "pytorch": [f"bakeoff:{fields['pytorch_http_port'].default}"],
        "onnx": [f"bakeoff:{fields['onnx_metrics_port'].default}"],
        "tensorrt": [f"bakeoff:{fields['tensorrt_metrics_port'].default}"],
    }


def test_prometheus_understands_its_configuration_and_rules() -> None:
    promtool("check", "config", "deploy/prometheus.yml")


def test_the_rules_do_what_they_are_for() -> None:
    promtool("test", "rules", "deploy/rules.test.yml")


def test_every_alert_is_tested_and_says_what_to_do() -> None:
    alerts = {
        rule["alert"]: rule
        for group in read("deploy/rules.yml")["groups"]
        for rule in group["rules"]
        if "alert" in rule
    }
    tested = {
        each["alertname"]
        for test in read("deploy/rules.test.yml")["tests"]
        for each in test.get("alert_rule_test", ())
        if each["exp_alerts"]
    }
    assert set(alerts) == tested
    assert all(rule["annotations"]["remedy"] and rule["labels"]["severity"] for rule in alerts.values())


def test_a_long_compile_raises_no_alarm() -> None:
    alerts = {rule.get("alert"): rule for group in read("deploy/rules.yml")["groups"] for rule in group["rules"]}
    assert alerts["BakeoffNotReady"]["for"] == "30m"
    assert Settings.model_fields["compile_timeout_s"].default < 30 * 60


def test_every_metric_that_is_asked_for_exists() -> None:
    pages = "".join((RECORDED / f"{name}.txt").read_text() for name in ("pytorch", "triton"))
    known = set(re.findall(r"^(\w+)[{ ]", pages, re.M)) | ONLY_WITH
    recorded = {
        rule["record"] for group in read("deploy/rules.yml")["groups"] for rule in group["rules"] if "record" in rule
    }
    found: set[str] = set()
    for expression in expressions():
        bare = re.sub(r"\{[^}]*\}|\[[^]]*\]|\"[^\"]*\"|\b\d[\w.]*", "", expression)
        asked = set(re.findall(r"[a-z_][\w:]*", bare)) - LABELS - FUNCTIONS
        assert asked <= known | recorded, expression
        found |= asked
    assert len(found) > 15


def test_the_dashboard_is_what_its_program_writes() -> None:
    assert json.loads(FILE.read_text(encoding="utf-8")) == dashboard(), "run `python -m deploy.dashboard`"


def test_the_dashboard_has_the_same_panels_for_every_backend() -> None:
    columns = {
        name: [
            json.dumps({**panel, "id": 0, "gridPos": {**panel["gridPos"], "x": 0}}).replace(name, "NAME")
            for panel in dashboard()["panels"]
            if panel["title"].partition(":")[0] == name
        ]
        for name in BACKEND_NAMES
    }
    assert len(columns["onnx"]) == 6
    assert columns["pytorch"] == columns["onnx"] == columns["tensorrt"]


def test_no_two_panels_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard()["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        taken |= cells


def test_grafana_finds_its_source_and_its_dashboard() -> None:
    service = read("docker-compose.yml")["services"]
    (source,) = read("deploy/grafana/datasources/prometheus.yml")["datasources"]
    port = service["prometheus"]["ports"][0].rpartition(":")[2]
    assert source["url"] == f"http://prometheus:{port}"
    assert {panel["datasource"]["uid"] for panel in dashboard()["panels"]} == {source["uid"]}
    mounted = next(volume for volume in service["grafana"]["volumes"] if volume.startswith("./deploy/grafana:"))
    (provider,) = read("deploy/grafana/dashboards/files.yml")["providers"]
    assert provider["options"]["path"] == f"{mounted.split(':')[1]}/dashboards"


def test_prometheus_is_given_the_rules_that_it_names() -> None:
    service = read("docker-compose.yml")["services"]["prometheus"]
    assert {
        "./deploy/prometheus.yml:/etc/prometheus/prometheus.yml:ro",
        "./deploy/rules.yml:/etc/prometheus/rules.yml:ro",
    } <= set(service["volumes"])
    assert read("deploy/prometheus.yml")["rule_files"] == ["rules.yml"]
