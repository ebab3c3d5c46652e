"""Which backends there are to measure, as the stack itself tells."""

from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx
from pydantic import BaseModel, ConfigDict

from bench.errors import BenchError
from bench.scenarios import TITLES, Input

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1", "0.0.0.0"})
ERROR_BOUND = {"fp16": 0.02, "fp32": 0.001}


class Target(BaseModel):
    """One backend of the stack.

    Attributes:
        name: `pytorch`, `onnx` or `tensorrt`.
        state: what `/ready` says of it.
        reason: why it is not ready, where it is not.
        url: base URL of its HTTP port; None where it is not ready.
        server: name and version as its protocol metadata gives them.
        elapsed_s: seconds from its start to its state.
        timings_s: those seconds by step.
        parity_bounds: by input, the largest error relative to the spread that the stack's own gate accepts.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    state: str
    reason: str | None = None
    url: str | None = None
    server: str | None = None
    elapsed_s: float | None = None
    timings_s: dict[str, float] = {}
    parity_bounds: dict[Input, float] = {}

    @property
    def ready(self) -> bool:
        """True when it can be measured."""
        return self.state == "ready" and self.url is not None


class Stack(BaseModel):
    """What `/ready` tells: the model block as it is, and the backends in the stack's order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: dict[str, Any]
    targets: tuple[Target, ...]

    @property
    def ready(self) -> tuple[Target, ...]:
        """The backends that can be measured."""
        return tuple(target for target in self.targets if target.ready)

    @property
    def max_batch_size(self) -> int:
        """Most images per request."""
        return int(self.model.get("max_batch_size") or 8)


def discover(ready_url: str, timeout_s: float = 10.0) -> Stack:
    """Ask the stack at `ready_url` what it serves.

    Raises:
        BenchError: nothing answers there, what answers is no bake-off, or it is not ready.
    """
    url = _with_path(ready_url)
    try:
        response = httpx.get(url, timeout=timeout_s)
        document = response.json()
        stack = parse_ready(document, url)
        ready = bool(document["ready"])
    except httpx.HTTPError as error:
        raise BenchError(
            f"nothing answers at {url} ({error}); start the stack with `bakeoff up`, or `make bakeoff` for everything"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BenchError(
            f"{url} answered {response.status_code}, but not as a bake-off does; is another program on that port?"
        ) from error
    if not ready or not stack.ready:
        raise BenchError(f"the stack is not ready yet: {_states(stack)}; wait for it with `bakeoff status`")
    return stack


def parse_ready(document: dict[str, Any], url: str) -> Stack:
    """Read a `/ready` document that came from `url`.

    A stack names its own ports by the loopback address; asked from elsewhere, they are at the host of `url`.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: it is no such document.
    """
    model = dict(document["model"] or {})
    usual = ERROR_BOUND.get(str(model.get("precision")))
    targets = []
    for name, entry in document["backends"].items():
        parity = entry.get("parity") or {}
        bounds = {kind: (parity.get(kind) or {}).get("error_bound", usual) for kind in TITLES}
        targets.append(
            Target(
                name=name,
                state=entry["state"],
                reason=entry.get("reason"),
                url=_reachable(entry["url"], url) if entry.get("url") else None,
                elapsed_s=entry.get("elapsed_s"),
                timings_s={step: s for step, s in (entry.get("timings_s") or {}).items() if isinstance(s, int | float)},
                parity_bounds={kind: bound for kind, bound in bounds.items() if bound is not None},
            )
        )
    return Stack(model=model, targets=tuple(targets))


def _with_path(url: str) -> str:
    url = url if "//" in url else f"http://{url}"
    return url if urlsplit(url).path.strip("/") else f"{url.rstrip('/')}/ready"


def _reachable(url: str, asked: str) -> str:
    parts, host = urlsplit(url), urlsplit(asked).hostname
    if parts.hostname not in LOOPBACK or host is None or host in LOOPBACK:
        return url
    host = f"[{host}]" if ":" in host else host
    return urlunsplit(parts._replace(netloc=f"{host}:{parts.port}" if parts.port else host))


def _states(stack: Stack) -> str:
    return ", ".join(
        f"{target.name} is {target.state}" + (f" ({target.reason})" if target.reason else "")
        for target in stack.targets
    )
