"""The keys that open the ports. Imports only what the health check can afford.

`API_KEY` holds one or several, separated by commas; `API_KEY_FILE` names a file with one a line. Both may be in `.env`.
"""

import hmac
import os
import re
import secrets
from collections.abc import Sequence
from pathlib import Path

from server.home import env_file

TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]+")
"""What may stand after `Bearer` (RFC 6750, section 2.1); it also needs no quoting in Triton's options."""

AUTHORIZATION = "authorization"
SCHEME = "Bearer "

ADMIN_HEADER = "bakeoff-admin"
ADMIN_VARIABLE = "BAKEOFF_ADMIN_SECRET"
"""Made by supervisord's wrapper for each start and inherited by its programs; it opens Triton's administrative APIs."""

STACK_KEY_VARIABLE = "BAKEOFF_STACK_KEY"
"""Made like that secret; it opens 8002 to the stack's own programs, whatever becomes of the clients' keys."""

TRITON_KEY_VARIABLE = "BAKEOFF_TRITON_KEY"
"""The key that was the first when the stack was started: the only one that its Tritons know, for as long as it runs."""

GRPC_PREFIX = "triton-grpc-protocol-"
"""Triton puts this before the name of a restricting header when it looks for it in gRPC metadata."""


class KeyProblem(ValueError):
    """The keys cannot be used; the message holds none of them."""


def parse_keys(text: str) -> tuple[str, ...]:
    """Return the keys of a text, separated by commas or line ends, each once.

    Raises:
        KeyProblem: a key has characters that no `Authorization` header can carry.
    """
    keys = tuple(dict.fromkeys(part.strip() for part in re.split(r"[,\n]", text) if part.strip()))
    if not all(map(TOKEN.fullmatch, keys)):
        raise KeyProblem("a key may have letters, digits and . _ ~ + / = - only")
    return keys


def read_key_file(path: Path) -> tuple[str, ...]:
    """Return the keys in a file, one a line.

    Raises:
        KeyProblem: it cannot be read, holds none, or holds what is none.
    """
    try:
        keys = parse_keys(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise KeyProblem(f"{path} cannot be read: {reason}") from None
    if not keys:
        raise KeyProblem(f"{path} holds no key; put one on each line, or unset API_KEY_FILE")
    return keys


def all_keys(listed: Sequence[str], file: Path | None) -> tuple[str, ...]:
    """Return the keys of `API_KEY` and then those in the file of `API_KEY_FILE`, each once.

    Raises:
        KeyProblem: see `read_key_file`.
    """
    return tuple(dict.fromkeys([*listed, *(read_key_file(file) if file else ())]))


def configured_keys() -> tuple[str, ...]:
    """Return the keys that the environment and `.env` name, as `Settings` does but without its import.

    Raises:
        KeyProblem: they cannot be used.
        EnvFileProblem: `.env` cannot be read.
    """
    file = env_file()
    listed = parse_keys(os.environ.get("API_KEY") or file.get("API_KEY") or "")
    path = os.environ.get("API_KEY_FILE") or file.get("API_KEY_FILE")
    return all_keys(listed, Path(path).expanduser() if path else None)


def bearer(keys: Sequence[str]) -> dict[str, str]:
    """Return the header that a client of ours sends: at the start the first key opens all three backends."""
    return {AUTHORIZATION: SCHEME + keys[0]} if keys else {}


def stack_key() -> str | None:
    """Return the key of the stack's own programs for 8002; None outside of a stack, and where the ports are open."""
    return os.environ.get(STACK_KEY_VARIABLE) or None


def configured_triton_key(keys: Sequence[str]) -> str | None:
    """Return the one key that the Tritons know: of the stack's start, outside of a stack the first of `keys`."""
    return (os.environ.get(TRITON_KEY_VARIABLE) or keys[0]) if keys else None


def stack_header(keys: Sequence[str]) -> dict[str, str]:
    """Return the header by which a program of a stack opens 8002; `keys` are those of people."""
    key = stack_key()
    return bearer([key] if keys and key else keys)


def triton_header(keys: Sequence[str]) -> dict[str, str]:
    """Return the header by which a program of a stack opens a Triton."""
    key = configured_triton_key(keys)
    return bearer([key] if key else ())


def opens(header: bytes, keys: Sequence[str]) -> bool:
    """Tell whether an `Authorization` header carries one of the keys, in a time that does not depend on how much is right."""
    scheme, _, token = header.partition(b" ")
    found = token.strip()
    matches = [hmac.compare_digest(found, key.encode()) for key in keys]  # all of them, whichever is right
    return scheme.lower() == b"bearer" and any(matches)


def admin_secret() -> str:
    """Return this start's secret for Triton's administrative APIs; outside of a stack one that nobody knows."""
    return os.environ.get(ADMIN_VARIABLE) or secrets.token_urlsafe(32)
