import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.figures import interval, number, optional, ratio
from bench.intervals import Interval
from bench.points import Figure


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (4118.2, "4,120"),
        (412.4, "412"),
        (41.18, "41.2"),
        (9.999, "10.0"),
        (4.118, "4.12"),
        (0.04118, "0.0412"),
    ],
)
def test_numbers_have_three_figures(value: float, text: str) -> None:
    assert number(value) == text


@given(st.floats(min_value=1e-3, max_value=1e9))
def test_a_number_reads_back_as_itself_to_three_figures(value: float) -> None:
    assert float(number(value).replace(",", "")) == pytest.approx(value, rel=5.1e-3)


def test_ratios_say_to_what() -> None:
    assert ratio(Interval(value=1.423, low=1.3, high=1.5), "onnx") == "1.42x onnx (1.30 to 1.50)"


def test_a_figure_without_an_interval_has_none() -> None:
    assert interval(Figure(value=24.13, low=23.5, high=24.6, rounds=(24.13,))) == "24.1 (23.5 to 24.6)"
    assert interval(Figure(value=24.13, low=None, high=None, rounds=(24.13,))) == "24.1"
    assert interval(None) == optional(None) == "-"
