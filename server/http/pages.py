"""Pages of ours: a text as one, in the status page's style, and what each tells a browser."""

from html import escape

from markdown_it import MarkdownIt
from markdown_it.token import Token

POLICY = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' blob: data:; "
    # A report that is fetched with a key is shown from memory and inherits this; its style is within it.
    "style-src 'self' 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-cache",  # asked for again with its tag, so that an upgrade is seen at once
}

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


def _anchor(heading: str) -> str:
    """Return the id that GitHub gives a heading."""
    return "".join(letter for letter in heading.lower().replace(" ", "-") if letter.isalnum() or letter in "-_")
