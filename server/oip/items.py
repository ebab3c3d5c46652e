"""How much a JSON text holds, counted before anything is made of it: 30 MB of `[],` are 700 MB of Python's lists."""

import re

import numpy as np

SPARE = 10_000
"""Items and containers that a document may have besides the ones that it is for."""

_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
"""Also one without an end, which would be looked for again at each of its quotes."""


DEEPEST = 1000
"""Levels of a document; tensors have as many as their shapes. Parsers recurse: Python's gives up about here, Triton 2.51 ends at
some 100,000, and newer ones give up at 100."""

_STEPS = bytes.maketrans(b"[{]}", bytes((1, 1, 255, 255)))
_FLAT = bytes(set(range(256)) - set(b"[{]}"))


def too_many(text: bytes, items: int, containers: int) -> str | None:
    """Return what a JSON text has too many of, for a message; None when it may be parsed.

    Args:
        text: JSON, or anything else.
        items: elements and members of all arrays and objects together that it may have, `SPARE` besides.
        containers: arrays and objects, likewise.
    """
    for only_structure in (False, True):
        if only_structure:  # what is in strings counted, too, so far
            if (quotes := text.count(b'"')) > 4 * (items + SPARE):
                return f"{quotes} quotation marks"
            text = _STRING.sub(b"", text)
        commas, opened = text.count(b","), text.count(b"[") + text.count(b"{")
        if commas <= items + SPARE and opened <= containers + SPARE:
            return None
    return f"{commas} items" if commas > items + SPARE else f"{opened} arrays and objects"


def too_deep(text: bytes) -> bool:
    """Tell whether a JSON text nests arrays and objects more than `DEEPEST`: parsers recurse, and some end by that."""
    if text.count(b"[") + text.count(b"{") <= DEEPEST:
        return False
    steps = np.frombuffer(_STRING.sub(b"", text).translate(_STEPS, _FLAT), np.int8)
    return bool(len(steps)) and int(steps.cumsum(dtype=np.int64).max()) > DEEPEST
