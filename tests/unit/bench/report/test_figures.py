import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.figures import gigabytes, interval, megabytes, number, optional, ratio, relative
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


def test_sizes_and_errors_have_their_units() -> None:
    assert gigabytes(80 * 2**30 + 2**28) == "80 GiB"
    assert (megabytes(1_250_000), megabytes(10**12)) == ("1.2 MB", "1000000.0 MB")
    assert (relative(0.00424), relative(3.14e-6), relative(None)) == ("0.0042", "3.1e-06", "-")


def test_half_an_interval_is_none_and_a_number_is_shown() -> None:
    assert interval(Figure(value=24.13, low=23.5, high=None, rounds=(24.13,))) == "24.1"
    assert interval(Figure(value=24.13, low=None, high=24.6, rounds=(24.13,))) == "24.1"
    assert optional(24.13) == "24.1"


def test_what_is_next_to_nothing_has_six_decimals() -> None:
    assert number(0.00001234) == "0.000012"
