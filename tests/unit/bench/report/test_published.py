"""The reports in `results/` are what this program draws from their results, and say what they compare."""

import json
from pathlib import Path

import pytest

from bench.report.contents import contents
from bench.report.markdown import render
from bench.result import load_result

ROOT = Path(__file__).resolve().parents[4]


@pytest.mark.parametrize("name", ["2026-11-25-h100", "2026-11-26-two-cores"])
def test_a_published_report_is_drawn_from_its_result(name: str) -> None:
    folder = ROOT / "results" / name
    assert (folder / "report.md").read_text(encoding="utf-8") == render(contents(load_result(folder)))


def test_the_h100_figures_name_their_contestants_in_the_report_and_in_readme() -> None:
    result = load_result(ROOT / "results/2026-11-25-h100")
    onnx = next(each for each in result.backends if each.name == "onnx")
    assert onnx.contestant == "Python-based backend, Pillow on the CPU"
    page = (ROOT / "results/2026-11-25-h100/report.html").read_text(encoding="utf-8")
    assert f"<h1>CLIP bake-off: pytorch wins on throughput against onnx ({onnx.contestant})</h1>" in page
    assert page.index("What was compared:") < page.index("Random weights:")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = readme.split("on an H100", 1)[1].split("\n## ")[0]
    heading = next(line for line in readme.splitlines() if line.startswith("## ") and "H100" in line)
    assert "Python-based" in heading
    for part in ("Python-based backend", "Pillow on the CPU", "eight sizes", "photos of many sizes"):
        assert part in section
    assert any(line.startswith("| HTTP") and "Python-based" in line for line in section.splitlines())
    assert json.loads((ROOT / "results/2026-11-25-h100/result.json").read_text())["caution"] == result.caution
    assert (ROOT / "docs/h100.png").read_bytes() == (ROOT / "results/2026-11-25-h100/report.png").read_bytes()
