"""The project's own documents as pages, so that a rented machine needs no other to explain itself."""

from functools import cache
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from markdown_it.token import Token

from server.console_paths import GUIDE
from server.http.pages import as_page, parse


@cache
def render(path: str) -> str:
    """Return one of the documents, by where it is served, as a page."""
    file = GUIDE[path]
    tokens = parse(file.read_text(encoding="utf-8"))
    for token in tokens:
        for child in token.children or ():
            _relink(child)
    return as_page(tokens, root="../", name=file.name)


def _relink(token: Token) -> None:
    """Point a link between documents to where they are served; one to what is not served here is words only."""
    attribute = {"link_open": "href", "image": "src"}.get(token.type)
    if attribute is None:
        return
    target = urlsplit(str(token.attrs.get(attribute, "")))
    name = PurePosixPath(target.path).name
    if not target.scheme and f"/guide/{name}" in GUIDE:
        token.attrSet(attribute, name + (f"#{target.fragment}" if target.fragment else ""))
    elif not target.scheme and target.path:
        del token.attrs[attribute]
