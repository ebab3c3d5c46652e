"""Numbers as people read them."""

import math

from bench.intervals import Interval
from bench.points import Figure


def number(value: float) -> str:
    """Return `value` to three significant figures, without exponents: 4120 -> `4,120`, 0.04118 -> `0.0412`."""
    if value == 0:
        return "0"
    digits = 2 - math.floor(math.log10(abs(value)))
    rounded = round(value, digits)
    digits = 2 - math.floor(math.log10(abs(rounded)))  # 9.999 becomes 10.0, not 10.00
    return f"{rounded:,.{max(0, min(digits, 6))}f}"


def interval(figure: Figure | None) -> str:
    """Return a figure with its interval, without where it has none, or a dash for none."""
    if figure is None:
        return "-"
    text = number(figure.value)
    return (
        text if figure.low is None or figure.high is None else f"{text} ({number(figure.low)} to {number(figure.high)})"
    )


def ratio(value: Interval, to: str) -> str:
    """Return a ratio to something with its interval, to two decimals: `1.42x pytorch (1.35 to 1.49)`."""
    return f"{value.value:.2f}x {to} ({value.low:.2f} to {value.high:.2f})"


def optional(value: float | None) -> str:
    """Return a number, or a dash for none."""
    return "-" if value is None else number(value)


def relative(value: float | None) -> str:
    """Return an error relative to a spread to two significant figures, or a dash: `0.0042`, `3.1e-06`."""
    return "-" if value is None else f"{value:.2g}"


def gigabytes(value: int) -> str:
    """Return bytes as GiB."""
    return f"{value / 2**30:.0f} GiB"


def megabytes(value: int) -> str:
    """Return bytes as MB."""
    return f"{value / 1e6:.1f} MB"
