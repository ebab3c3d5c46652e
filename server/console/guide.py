"""The project's own documents as pages, so that a rented machine needs no other to explain itself."""

from functools import cache
from html import escape
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.token import Token

from server.home import ROOT

FIRST = "README.md"
PICTURES = {".svg": "image/svg+xml", ".png": "image/png"}

_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")

_PAGE = """<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">
  <title>{title} · clip-bakeoff</title>
  <link rel="icon" href="{root}page/icon.svg" type="image/svg+xml">
  <link rel="stylesheet" href="{root}page/page.css">
</head>
<body class="guide">
  <header><nav aria-label="Links"><a href="{root}">Status</a><a href="{root}guide/README.md">Docs</a></nav></header>
  <main>
{body}  </main>
</body>
</html>
"""


@cache
def documents() -> dict[str, Path]:
    """Return the documents and their pictures by the name at which they are served; none where they were left out."""
    found = [ROOT / FIRST, *sorted((ROOT / "docs").glob("*"))]
    return {path.name: path for path in found if path.is_file() and path.suffix in {".md", *PICTURES}}


@cache
def render(name: str) -> str:
    """Return one of the documents as a page."""
    tokens = parse(documents()[name].read_text(encoding="utf-8"))
    for token in tokens:
        for child in token.children or ():
            _relink(child)
    return as_page(tokens, root="../", name=name)


def parse(markdown: str) -> list[Token]:
    """Return the parts of a text."""
    return _MARKDOWN.parse(markdown)


def as_page(tokens: list[Token], *, root: str, name: str) -> str:
    """Return a text as a page; `root` leads from where it is served to `/`, and `name` is its title if it has no heading."""
    for index, token in enumerate(tokens):
        if token.type == "heading_open":
            token.attrSet("id", _anchor(tokens[index + 1].content))
        elif token.type == "table_open":
            token.attrSet("tabindex", "0")  # wide ones are scrolled
    title = next((tokens[index + 1].content for index, token in enumerate(tokens) if token.tag == "h1"), name)
    return _PAGE.format(root=root, title=escape(title), body=_MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {}))


def _relink(token: Token) -> None:
    """Point a link between documents to where they are served; one to what is not served here is words only."""
    attribute = {"link_open": "href", "image": "src"}.get(token.type)
    if attribute is None:
        return
    target = urlsplit(str(token.attrs.get(attribute, "")))
    name = PurePosixPath(target.path).name
    if not target.scheme and name in documents():
        token.attrSet(attribute, name + (f"#{target.fragment}" if target.fragment else ""))
    elif not target.scheme and target.path:
        del token.attrs[attribute]


def _anchor(heading: str) -> str:
    """Return the id that GitHub gives a heading."""
    return "".join(letter for letter in heading.lower().replace(" ", "-") if letter.isalnum() or letter in "-_")
