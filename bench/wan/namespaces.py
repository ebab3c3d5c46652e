"""Two network namespaces joined by a veth pair, of which one direction is slow. They end with this process."""

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

CLONE_NEWNET = 0x40000000
"""From linux/sched.h. Python has `os.unshare` and `os.setns` from 3.12 on."""

THIS = "/proc/thread-self/ns/net"
NEAR, FAR = "10.250.250.1", "10.250.250.2"
"""Addresses that nobody else sees: the namespaces have no other interface."""

BURST_BYTES = 6000
"""Of the token bucket: 1.6 ms at 30 Mbit/s, so that a late timer costs no throughput and a small request is still slow."""

QUEUE_BYTES = 64 * 2**20
"""Of the token bucket: more than senders keep on their way, so nothing is dropped."""

_libc = ctypes.CDLL(None, use_errno=True)


class NotPermittedError(Exception):
    """The kernel or this process's permissions do not allow for the link; the message says which."""


class Namespace:
    """A network namespace of its own; whoever is not inside stays where they were. For use from one thread."""

    def __init__(self) -> None:
        """Make it.

        Raises:
            NotPermittedError: only root (CAP_SYS_ADMIN) may.
        """
        self._home = os.open(THIS, os.O_RDONLY)
        if _libc.unshare(CLONE_NEWNET):
            raise NotPermittedError(
                f"a network namespace could not be made ({os.strerror(ctypes.get_errno())}); it needs root, in a "
                "container --cap-add SYS_ADMIN --cap-add NET_ADMIN"
            )
        self._own = os.open(THIS, os.O_RDONLY)
        self.path = f"/proc/{os.getpid()}/fd/{self._own}"
        self._enter(self._home)

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Have this thread, and the sockets and processes that it makes, inside."""
        self._enter(self._own)
        try:
            yield
        finally:
            self._enter(self._home)

    def _enter(self, namespace: int) -> None:
        if _libc.setns(namespace, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")


def slow_pair(uplink_mbit: float) -> tuple[Namespace, Namespace]:
    """Return the namespaces of the near and the far end; what NEAR sends to FAR is slow.

    Args:
        uplink_mbit: million bits a second on the wire, headers of Ethernet, IP and TCP included (4.4 % of full packets).

    Raises:
        NotPermittedError: not permitted, no `ip` or `tc`, or a kernel without veth or tbf.
    """
    near, far = Namespace(), Namespace()
    with near.inside():
        _run("ip", "link", "add", "name", "wan-near", "type", "veth", "peer", "name", "wan-far")
        _run("ip", "link", "set", "dev", "wan-far", "netns", far.path)
        _bring_up("wan-near", NEAR)
        # the whole of a packet train would otherwise pass the bucket as one
        _run("ip", "link", "set", "dev", "wan-near", "gso_max_segs", "1")
        rate = ["rate", f"{uplink_mbit * 1e6:.0f}bit", "burst", str(BURST_BYTES), "limit", str(QUEUE_BYTES)]
        _run("tc", "qdisc", "add", "dev", "wan-near", "root", "tbf", *rate)
    with far.inside():
        _bring_up("wan-far", FAR)
    return near, far


def _bring_up(device: str, address: str) -> None:
    _run("ip", "address", "add", f"{address}/30", "dev", device)
    _run("ip", "link", "set", "dev", device, "up")


def _run(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except FileNotFoundError:
        raise NotPermittedError(f"`{command[0]}` is missing; install iproute2") from None
    if done.returncode:
        raise NotPermittedError(f"`{' '.join(command)}` failed: {' '.join(done.stderr.split())}")
