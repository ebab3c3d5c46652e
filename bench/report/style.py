"""Colours, markers and line styles: one meaning each, the same in every picture of a report.

The colours are Okabe and Ito's, made for readers who do not see all colours ("Color Universal Design", 2008), a little darker on
white and lighter on black where the original has too little contrast (WCAG 2.1 asks 3:1 of graphics). A marker and a
line style always say the same as a colour does.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Look:
    """How a backend is drawn: its colour on white and on black, and matplotlib's marker."""

    light: str
    dark: str
    marker: str


BACKENDS = {
    "pytorch": Look("#c04f00", "#f0883e", "o"),
    "onnx": Look("#0072b2", "#56b4e9", "s"),
    "tensorrt": Look("#007a5a", "#2ec9a0", "^"),
}
CLIENT = "client alone"
"""The name of the client's own limit, measured against a server that computes nothing."""
_CLIENT = Look("#6b737c", "#a0a8b2", "x")
OTHERS = (Look("#aa4a86", "#e39ac7", "D"), Look("#8a6d00", "#f0e442", "v"), Look("#5f5f5f", "#b5b5b5", "P"))
"""For backends of other names, in the order in which they appear."""

DASHES = ("-", (0, (5, 2)), (0, (6, 2, 1, 2)), (0, (2, 1)))
THEIRS = (0, (1, 1.6))
"""Dotted, with hollow markers: figures that somebody else measured."""

PARTS = ("#5b4a8a", "#9a86c9", "#c8b8e8", "#7a7a86", "#b4b4be", "#d9d9e0")
"""Fills of a bar's parts, from the first on: no backend's colour. Hatches tell them apart without colour."""
PARTS_DARK = ("#8d78c8", "#6c5a9e", "#4d4173", "#a2a2ae", "#6e6e7a", "#4a4a54")
HATCHES = ("", "///", "", "---", "", "\\\\\\")

INK, INK_DARK = "#1f2328", "#e6edf3"
QUIET, QUIET_DARK = "#59636e", "#9aa5b1"
GRID, GRID_DARK = "#dfe3e8", "#30363d"
PAPER, PAPER_DARK = "#ffffff", "#0f1419"
BOUND, BOUND_DARK = "#b3261e", "#ff8a80"


def look(backend: str, order: list[str]) -> Look:
    """Return how `backend` is drawn; `order` has all backends of the report."""
    if backend == CLIENT:
        return _CLIENT
    if backend in BACKENDS:
        return BACKENDS[backend]
    others = [name for name in order if name not in BACKENDS]
    return OTHERS[others.index(backend) % len(OTHERS)] if backend in others else OTHERS[-1]


def variables() -> dict[str, tuple[str, str, str]]:
    """Return the CSS variables: by the light colour, the variable's name, the light colour and the dark one."""
    pairs = {
        **{f"backend-{name}": (each.light, each.dark) for name, each in BACKENDS.items()},
        "client": (_CLIENT.light, _CLIENT.dark),
        **{f"other-{i}": (each.light, each.dark) for i, each in enumerate(OTHERS)},
        **{f"part-{i}": pair for i, pair in enumerate(zip(PARTS, PARTS_DARK, strict=True))},
        "ink": (INK, INK_DARK),
        "quiet": (QUIET, QUIET_DARK),
        "grid": (GRID, GRID_DARK),
        "paper": (PAPER, PAPER_DARK),
        "bound": (BOUND, BOUND_DARK),
    }
    return {light: (f"--{name}", light, dark) for name, (light, dark) in pairs.items()}
