"""Where a stack's ports are, seen from here: behind a port map, a tunnel or a proxy they are not where it says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

from bench.errors import BenchError
from server.addresses import netloc

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1", "0.0.0.0", "::"})
DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Addresses:
    """What is known about reaching a stack, beyond what it tells itself.

    Attributes:
        ready_url: where its port 8002 is reached, such as `http://127.0.0.1:8002` or `https://proxy/stack`.
        ports: by the stack's own port, the host and port where it is reached instead.
        urls: by backend, the base URL of its HTTP port; stronger than everything else.
        api_key: sent as `Authorization: Bearer`; None: no key.
    """

    ready_url: str
    ports: Mapping[int, tuple[str, int]] = field(default_factory=dict)
    urls: Mapping[str, str] = field(default_factory=dict)
    api_key: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        """What is sent with every request."""
        return {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}

    def http(self, backend: str, told: str) -> str:
        """Return the base URL of a backend's HTTP port, of which the stack told `told`."""
        return self.urls.get(backend) or reachable(told, self.ready_url, self.ports)

    def grpc(self, told: str) -> str:
        """Return `HOST:PORT` of a gRPC port, of which the stack told `told`."""
        return urlsplit(reachable(f"//{told}", self.ready_url, self.ports)).netloc


def reachable(told: str, asked: str, ports: Mapping[int, tuple[str, int]]) -> str:
    """Return a URL that a stack told of itself as it is reached from here.

    A mapped port is where the map says. Otherwise a stack that names the loopback address, asked from elsewhere, is at
    the host where it was asked.

    Args:
        told: the stack's own URL of one of its ports.
        asked: the URL at which the stack was asked.
        ports: by the stack's own port, host and port.
    """
    parts = urlsplit(told)
    port = parts.port or DEFAULT_PORTS.get(parts.scheme)
    if port is not None and port in ports:
        return urlunsplit(parts._replace(netloc=netloc(*ports[port])))
    host = urlsplit(asked).hostname
    if parts.hostname not in LOOPBACK or host is None or host in LOOPBACK:
        return told
    return urlunsplit(parts._replace(netloc=netloc(host, parts.port)))


def parse_ports(entries: Sequence[str], ready_url: str) -> dict[int, tuple[str, int]]:
    """Read `INTERNAL=PORT` and `INTERNAL=HOST:PORT`; without a host it is that of `ready_url`.

    Raises:
        BenchError: an entry is neither.
    """
    found = {}
    for entry in entries:
        inside, _, outside = entry.partition("=")
        host, _, port = outside.rpartition(":")
        try:
            found[int(inside)] = (host.strip("[]") or urlsplit(ready_url).hostname or "127.0.0.1", int(port))
        except ValueError as error:
            message = f"--port {entry} is not understood; write 8010=40123 or 8010=HOST:40123"
            raise BenchError(message) from error
    return found


def parse_urls(entries: Sequence[str], usual: str) -> tuple[str, dict[str, str]]:
    """Read a plain URL of port 8002 and any number of `NAME=URL` of single backends; return both.

    Raises:
        BenchError: an entry has no host, or there are two plain ones.
    """
    plain: list[str] = []
    named: dict[str, str] = {}
    for entry in entries:
        name, equals, url = entry.partition("=")
        if not equals or not name.isidentifier():
            name, url = "", entry
        url = (url if "//" in url else f"http://{url}").rstrip("/")
        if not urlsplit(url).hostname:
            raise BenchError(f"--url {entry} is not understood; write http://HOST:PORT, or NAME=http://HOST:PORT")
        if "@" in urlsplit(url).netloc:
            raise BenchError("--url holds a name or password, which the result would show; give a key with API_KEY")
        if name:
            named[name] = url
        else:
            plain.append(url)
    if len(plain) > 1:
        raise BenchError(f"--url names two stacks, {' and '.join(plain)}; give one, and NAME=URL for single backends")
    return (plain[0] if plain else usual), named


def with_mapped_ready(ready_url: str, ports: Mapping[int, tuple[str, int]]) -> str:
    """Return `ready_url` itself as it is reached by the map."""
    return reachable(ready_url, ready_url, ports)
