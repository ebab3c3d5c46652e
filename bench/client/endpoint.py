"""Where a backend is reached, and with what key."""

from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Endpoint:
    """One backend's addresses.

    Attributes:
        url: base URL of its HTTP port: `http://HOST:PORT` or `https://HOST`, with a path where a proxy puts one before
            the protocol's.
        grpc: `HOST:PORT` of its gRPC port; None where it has none. TLS is spoken there when `url` is https.
        headers: sent with every request, as gRPC metadata too.
        timeout_s: seconds after which connecting or waiting for an answer is given up.
    """

    url: str
    grpc: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    timeout_s: float = 30.0

    @property
    def secure(self) -> bool:
        """Whether TLS is spoken."""
        return urlsplit(self.url).scheme == "https"

    @property
    def path(self) -> str:
        """What comes before the protocol's own paths; empty without a proxy."""
        return urlsplit(self.url).path.rstrip("/")
