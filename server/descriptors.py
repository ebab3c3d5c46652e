"""How many files and connections a process may have open (RLIMIT_NOFILE), and how many of them are left for clients."""

import resource

MOST = 2**20
"""Where the hard limit is higher, or none: there are programs that walk through all numbers that they might have open."""

LEAST = 1024
"""What supervisord asks for."""

OWN = 128
"""Of an HTTP worker: shared memory, channels, libraries, and the files that it reads to answer."""

REFUSED = 64
"""Connections that an HTTP worker may be refusing at the same time."""


def limit() -> int:
    """Return how many descriptors a program of the stack may have, once `raise_limit` was called."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)


def raise_limit() -> None:
    """Take what this process, and those that it starts, may have; a login's soft limit is 1,024 whatever the hard one is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < limit():
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit(), hard))


def most_connections(wanted: int, *, passed_on: bool = False) -> int:
    """Return how many clients may be connected: `wanted`, or as many as there are descriptors for, 0 if there are none.

    One worker may have to hold them all, while the others hang; and a connection to a Triton for each where requests are
    passed on.
    """
    left = limit() - OWN - REFUSED
    return max(0, min(wanted, left // 2 if passed_on else left))
