"""Makes a drawn SVG part of a page: colours by the page's theme, ids of its own, a value under each point."""

import html
import re
from collections.abc import Mapping, Sequence

from bench.report import style

_HEAD = re.compile(r"^.*?(?=<svg)", re.DOTALL)
_META = re.compile(r"\s*<metadata>.*?</metadata>", re.DOTALL)
_ID = re.compile(r'(\bid=")([^"]+)"')
_REFERENCE = re.compile(r'(url\(#|xlink:href="#)([^)"]+)')
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}\b")
_DIGITS = re.compile(r"(\.\d\d)\d+")
_TAG = re.compile(r"<[^>]+>")
_FAMILY = re.compile(r"font-family: [^;\"]*;? ?")
_POINT = re.compile(r"(<use [^>]*?)/>")
_OPENING = re.compile(r"<svg [^>]*?viewBox=\"([^\"]+)\"[^>]*>", re.DOTALL)


def inline(svg: str, prefix: str, label: str, values: Mapping[str, Sequence[str]]) -> str:
    """Return `svg` as it can stand in a page.

    Args:
        svg: as matplotlib wrote it.
        prefix: put before every id, so that several pictures fit into one page.
        label: what is read out instead of the picture.
        values: by a line's id, the text of each of its points, in their order. A line whose points are not all drawn,
            because it has no markers or they lie outside of the picture, gets none: it could be another point's.
    """
    text = _META.sub("", _HEAD.sub("", svg)).strip()
    for gid, texts in values.items():
        text = _with_titles(text, gid, texts)
    text = _ID.sub(rf'\g<1>{prefix}-\g<2>"', text)
    text = _REFERENCE.sub(rf"\g<1>{prefix}-\g<2>", text)
    variables = style.variables()
    text = _COLOUR.sub(lambda found: _variable(found.group().lower(), variables), text)
    text = _TAG.sub(lambda found: _DIGITS.sub(r"\1", found.group()), _FAMILY.sub("", text))
    opening = f'<svg role="img" aria-label="{html.escape(label)}" viewBox="\\1">'
    return re.sub(r"\s*\n\s*", "\n", _OPENING.sub(opening, text, count=1))


def _variable(colour: str, variables: dict[str, tuple[str, str, str]]) -> str:
    return f"var({variables[colour][0]})" if colour in variables else colour


def _with_titles(svg: str, gid: str, texts: Sequence[str]) -> str:
    opening = f'<g id="{gid}">'
    before, found, after = svg.partition(opening)
    end = after.find('<g id="')
    part, rest = after[:end], after[end:]
    if not found or len(_POINT.findall(part)) != len(texts):
        return svg
    left = iter(texts)
    titled = _POINT.sub(lambda use: f"{use[1]}><title>{html.escape(next(left))}</title></use>", part)
    return before + opening + titled + rest
