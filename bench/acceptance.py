"""Leaves out the photos that a backend refuses, before anything is timed: everybody is measured on the same ones."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus

from bench.client.connections import RefusedError
from bench.control import Control
from bench.errors import BenchError
from bench.photos import LeftOut, Photo, PhotoSet

AT_ONCE = 8
"""Photos asked about in one request; those of a refused one are asked about one by one."""

BUSY = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT})
"""Refusals that say nothing of the photo."""

Numbered = Sequence[tuple[int, Photo]]


def accepted(photos: PhotoSet, controls: Mapping[str, Control], most: int) -> PhotoSet:
    """Return the photos that every backend embeds, and what was left out with the reason.

    A backend that refuses every one of them has another problem than the photos: it is asked nothing here, and the spot
    check and the windows say what. So has one that gives no answer at all.

    Args:
        photos: that were read.
        controls: by backend.
        most: images per request.

    Raises:
        BenchError: no photo is left.
    """
    numbered = list(enumerate(photos.photos))
    refused: dict[int, str] = {}
    for name, control in controls.items():
        own = dict(_refused(control, numbered, min(AT_ONCE, most)))
        if len(own) < len(numbered):
            refused = {number: f"{name} {reason}" for number, reason in own.items()} | refused
    kept = tuple(photo for number, photo in numbered if number not in refused)
    left_out = tuple(LeftOut(name=photos.photos[number].name, reason=refused[number]) for number in sorted(refused))
    if not kept:
        raise BenchError(f"no photo is embedded by every backend: {left_out[0].name}: {left_out[0].reason}")
    return replace(photos, photos=kept, left_out=(*photos.left_out, *left_out))


def _refused(control: Control, photos: Numbered, at_once: int) -> Iterator[tuple[int, str]]:
    try:
        for begin in range(0, len(photos), at_once):
            yield from _of(control, photos[begin : begin + at_once])
    except Exception:  # no answer: that of a busy, dying or distant server, which is measured all the same
        return


def _of(control: Control, photos: Numbered) -> Iterator[tuple[int, str]]:
    try:
        control.embed("encoded", [photo for _, photo in photos])
    except RefusedError as error:
        if error.status in BUSY:
            raise
        if len(photos) == 1:
            yield photos[0][0], " ".join(str(error).split())
            return
        for each in photos:
            yield from _of(control, [each])
