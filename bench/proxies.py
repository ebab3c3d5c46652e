"""What goes through the proxy that the environment names, and what never does: this machine's own addresses.

A stack here is reached directly, also where `http_proxy` is set for the rest of the world, as on many rented machines and
in companies; `no_proxy` need not name it. A stack elsewhere is reached as any other program reaches it.
"""

import base64
import urllib.request
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote, urlsplit

import httpx

from bench.errors import BenchError
from bench.telemetry.processes import runs_here


@dataclass(frozen=True)
class Proxy:
    """A proxy that speaks HTTP, and what it wants to be sent for its name and password."""

    url: str
    host: str
    port: int
    headers: dict[str, str]


def proxy_for(url: str) -> Proxy | None:
    """Return the proxy through which `url` is reached, by `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy`; or None.

    Raises:
        BenchError: it speaks something other than HTTP.
    """
    parts = urlsplit(url)
    proxies = urllib.request.getproxies_environment()
    named = proxies.get(parts.scheme) or proxies.get("all")
    spared = urllib.request.proxy_bypass_environment(parts.netloc, proxies)  # type: ignore[attr-defined]  # not in its stub
    if not named or spared or _runs_here(url):
        return None
    named = named if "//" in named else f"http://{named}"
    proxy = urlsplit(named)
    if proxy.scheme != "http" or proxy.hostname is None:
        raise BenchError(
            f"{url} is reached through a proxy, by the environment, that is no http://HOST:PORT ({proxy.scheme}://...); "
            "set another, or name the host in no_proxy"
        )
    headers = {}
    if proxy.username is not None:
        pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
        headers["Proxy-Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    return Proxy(named, proxy.hostname, proxy.port or 80, headers)


def http_client(url: str, headers: dict[str, str], timeout_s: float, base_url: str = "") -> httpx.Client:
    """Return a client for `url`, which follows redirects."""
    proxy = proxy_for(url)
    # a transport of its own keeps httpx from looking for proxies itself, and leaves it SSL_CERT_FILE
    transport = httpx.HTTPTransport(proxy=proxy.url if proxy else None)
    return httpx.Client(
        base_url=base_url, headers=headers, timeout=timeout_s, transport=transport, follow_redirects=True
    )


def get(url: str, headers: dict[str, str], timeout_s: float) -> httpx.Response:
    """Ask for `url` once.

    Raises:
        httpx.HTTPError: nothing answers.
    """
    with http_client(url, headers, timeout_s) as client:
        return client.get(url)


_runs_here = lru_cache(maxsize=64)(runs_here)
