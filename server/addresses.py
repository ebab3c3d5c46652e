"""Network addresses: what `HOST` may be, and how programs and URLs write it."""

import errno
import ipaddress
import socket

NAMES = {"localhost": "127.0.0.1"}


def parse_host(text: str) -> str:
    """Return an IP address in its usual form, of an IPv6 one without brackets.

    Names are not looked up: Triton binds 255.255.255.255 for one, and says nothing.

    Raises:
        ValueError: it is none, or holds an interface (`fe80::1%eth0`), which Triton cannot bind.
    """
    bare = text.strip()
    bare = bare[1:-1] if bare.startswith("[") and bare.endswith("]") else bare
    try:
        address = ipaddress.ip_address(NAMES.get(bare.lower(), bare))
    except ValueError:
        raise ValueError("is no IP address; give one, such as 127.0.0.1, 0.0.0.0, ::1 or ::") from None
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id:
            raise ValueError("names an interface, which Triton cannot bind; give an address without %")
        address = address.ipv4_mapped or address
    return str(address)


def netloc(host: str, port: int | None = None) -> str:
    """Return `HOST:PORT` as URLs and gRPC write it, with brackets around an IPv6 address."""
    host = f"[{host}]" if ":" in host else host
    return f"{host}:{port}" if port else host


def reached_at(host: str) -> str:
    """Return the address at which a client on this machine finds what is bound to `host`."""
    address = ipaddress.ip_address(host)
    if not address.is_unspecified:
        return host
    return "127.0.0.1" if address.version == 4 else "::1"


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches `host`."""
    return ipaddress.ip_address(host).is_loopback


def family(host: str) -> socket.AddressFamily:
    """Return the family of sockets that bind `host`."""
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def can_bind(host: str, port: int) -> bool:
    """Tell whether a port is free.

    Raises:
        OSError: the address is not one of this machine.
    """
    with socket.socket(family(host), socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if ":" in host:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # as the servers bind it
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
    return True
