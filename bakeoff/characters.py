"""What a terminal's locale cannot print is printed in ASCII: a quotation's bar or a file's name ends no command."""

import codecs
import io
import sys
import unicodedata

HANDLER = "in-ascii"
LIKE = {"▌": "|", "•": "*", "·": "*", "…": "...", "–": "-", "—": "-", "‘": "'", "’": "'", "“": '"', "”": '"', "×": "x"}  # noqa: RUF001
UPRIGHT = frozenset("│┃╎╏┆┇┊┋║╵╷╹╻╽╿")
ESCAPED_BYTES = range(0xDC80, 0xDD00)
"""What `os.fsdecode` makes of the bytes of a file's name that are no UTF-8."""

BOXES, BLOCKS = range(0x2500, 0x2580), range(0x2580, 0x25A0)


def spare_the_locale() -> None:
    """Have this process's output and errors fall back to ASCII, character by character."""
    codecs.register_error(HANDLER, _replace)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=HANDLER)


def in_ascii(character: str) -> str:
    r"""Return what stands for a character: something that looks like it, `\xNN` for a byte that is no text, or a question mark."""
    if ord(character) in ESCAPED_BYTES:
        return f"\\x{ord(character) - 0xDC00:02x}"
    if character in LIKE:
        return LIKE[character]
    if ord(character) in BOXES:
        joins = " AND " in unicodedata.name(character)
        return "|" if character in UPRIGHT else "+" if joins else "-"
    if ord(character) in BLOCKS:
        return "#"
    parts = [part for part in unicodedata.normalize("NFKD", character) if not unicodedata.combining(part)]
    return "".join(part if part.isascii() else "?" for part in parts)


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(in_ascii, error.object[error.start : error.end])), error.end
