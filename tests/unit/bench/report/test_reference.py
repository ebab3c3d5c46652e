from bench.reference import first_team
from bench.report.charts import LineChart
from bench.report.contents import contents
from bench.report.markdown import render
from bench.report.reference import with_reference
from bench.result import Result
from tests.unit.bench.report.reading import cells, section


def test_their_table_agrees_with_itself() -> None:
    """A batch's throughput is its size by its mean time, as they computed it."""
    for backend in first_team().backends:
        for point in backend.batches:
            assert abs(point.batch / point.mean_ms * 1e3 - point.images_per_s) < 0.06
        assert backend.single.p50_ms <= backend.single.p95_ms <= backend.single.p99_ms


def test_their_curves_are_beside_ours_as_theirs_and_only_where_they_sent_the_like(gpu_result: Result) -> None:
    document = with_reference(contents(gpu_result), first_team())
    theirs = {
        (chart.key, panel.title, series.name)
        for chart in document.charts
        if isinstance(chart, LineChart)
        for panel in chart.panels
        for series in panel.series
        if series.theirs
    }
    assert theirs == {
        ("throughput-batch", "encoded photos", "theirs: pytorch, A100"),
        ("throughput-batch", "pixels", "theirs: onnx, A100"),
        ("throughput-batch", "pixels", "theirs: tensorrt, A100"),
        ("percentiles", "encoded photos, one in flight", "theirs: pytorch, A100"),
        ("percentiles", "pixels, one in flight", "theirs: onnx, A100"),
        ("percentiles", "pixels, one in flight", "theirs: tensorrt, A100"),
    }
    marked = [chart for chart in document.charts if chart.key in ("throughput-batch", "percentiles")]
    assert all("not measured by us and not comparable" in chart.caption for chart in marked)


def test_the_section_has_figures_source_and_what_was_wrong(gpu_result: Result) -> None:
    text = section(render(with_reference(contents(gpu_result), first_team())), "Theirs: the first team's table")
    assert cells(text, "PyTorch FastAPI")[3:] == ["55.8", "68.9", "72.3", "-", "17.5", "29.8", "39.7", "52.0", "64.3"]
    assert cells(text, "Triton, ONNX Runtime with the TensorRT provider")[-5:] == ["5.00", "10.2", "-", "-", "-"]
    assert "dahlianadkarni/ai_inference_img_similarity" in text
    for wrong in ("602 KB", "FP16", "10 ms", "over the internet", "compiled anew"):
        assert wrong in text


def test_without_being_asked_for_nothing_of_theirs_is_shown(gpu_result: Result) -> None:
    assert "heirs" not in render(contents(gpu_result)).replace("theirs were", "")
