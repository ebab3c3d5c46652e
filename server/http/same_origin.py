"""Keeping other web pages away from port 8002: what a browser sends tells whose page asks, and at which name.

A page elsewhere can send requests to any address that its reader's browser reaches, and with a name of its own that it lets
resolve to that address (DNS rebinding) it could read the answers too. Programs send neither `Origin` nor `Sec-Fetch-Site`, which
no page can leave out or change (Fetch standard; Fetch Metadata Request Headers), and are let through.
"""

import ipaddress
import re
import socket
from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from server.http.errors import answer

HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^\[\]:/@\s]*)(?::\d*)?")
DEFAULT_PORTS = {"http": ":80", "https": ":443"}


class ServedNames:
    """The names at which the server is asked: those that were allowed, and those that no stranger can have in the public DNS."""

    def __init__(self, allowed: Sequence[str]) -> None:
        """Allow names, `*.example.com` for all below one, and `*` for any."""
        self._any = "*" in allowed
        self._allowed = {*allowed, socket.gethostname().lower()}

    def __contains__(self, host: str) -> bool:
        """Tell whether a `Host` header names this server."""
        found = HOST.fullmatch(host.strip().lower())
        return self._any or (found is not None and self._is_ours(found[1].removesuffix(".")))

    def allowed(self, name: str) -> bool:
        """Tell whether a name was allowed by itself or with all below another one."""
        parts = name.lower().split(".")
        return name.lower() in self._allowed or any(
            f"*.{'.'.join(parts[index:])}" in self._allowed for index in range(1, len(parts))
        )

    def _is_ours(self, name: str) -> bool:
        # An address is none that could be rebound; names without a dot are of this machine, of Compose, of Kubernetes.
        return "." not in name or name.endswith(".localhost") or self.allowed(name) or _is_address(name)


class SameOrigin:
    """ASGI middleware that answers 421 at a foreign name and 403 to another page, before anything of the body is read."""

    def __init__(
        self, app: ASGIApp, allowed_hosts: Sequence[str], cors_origins: Sequence[str], open_paths: Sequence[str]
    ) -> None:
        self._app = app
        self._names = ServedNames(allowed_hosts)
        self._origins = frozenset(origin.lower() for origin in cors_origins)
        self._open = frozenset(open_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on if it may pass."""
        if scope["type"] == "lifespan" or scope["path"] in self._open:
            await self._app(scope, receive, send)
            return
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        host = headers.get(b"host", "")
        if host not in self._names:
            refusal = answer(
                421, f"this server is not known as {host!r}; if that is a name of it, add the name to ALLOWED_HOSTS"
            )
        elif not self._may_ask(scope["method"], headers):
            refusal = answer(
                403,
                f"a page of {headers.get(b'origin', 'another site')!r} may not use this server; CORS_ORIGINS allows pages, "
                "and ALLOWED_HOSTS has the names of this server behind proxies",
            )
        else:
            await self._app(scope, receive, send)
            return
        refusal.headers["Connection"] = "close"
        await refusal(scope, receive, send)

    def _may_ask(self, method: str, headers: dict[bytes, str]) -> bool:
        origin = headers.get(b"origin", "").lower()
        if origin and ("*" in self._origins or origin in self._origins):
            return True
        site = headers.get(b"sec-fetch-site")
        if site is not None:
            return site in ("same-origin", "none") or (method in ("GET", "HEAD") and _follows_a_link(headers))
        # Browsers leave that header out where the server's own page came over plain HTTP.
        return not origin or self._is_own(origin, headers)

    def _is_own(self, origin: str, headers: dict[bytes, str]) -> bool:
        """Tell whether a page is of this server, by the name at which it or the proxy before it is asked."""
        try:
            page = urlsplit(origin)
            name = page.hostname or ""
        except ValueError:
            return False
        port = DEFAULT_PORTS.get(page.scheme, "")
        asked = (headers.get(b"host", ""), headers.get(b"x-forwarded-host", ""))
        return self._names.allowed(name) or (
            bool(page.netloc) and page.netloc.removesuffix(port) in {each.lower().removesuffix(port) for each in asked}
        )


def _follows_a_link(headers: dict[bytes, str]) -> bool:
    """Tell whether the answer is shown by itself, where the page that has the link cannot see it."""
    return headers.get(b"sec-fetch-mode") == "navigate" and headers.get(b"sec-fetch-dest") == "document"


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
