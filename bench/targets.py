"""Which backends there are to measure, as the stack itself tells."""

from typing import Any, Literal
from urllib.parse import urlsplit

import httpx
from pydantic import Field

from bench.addresses import LOOPBACK, Addresses
from bench.client.endpoint import Endpoint
from bench.errors import BenchError
from bench.proxies import get
from bench.records import Record
from bench.scenarios import TITLES, Input, Transport

ERROR_BOUND = {"fp16": 0.02, "fp32": 0.001}


class Target(Record):
    """One backend of the stack.

    Attributes:
        name: `pytorch`, `onnx` or `tensorrt`.
        title: the name for people.
        state: what `/ready` says of it.
        reason: why it is not ready, where it is not.
        url: base URL of its HTTP port, as it is reached from here; None where it is not ready.
        grpc_url: `HOST:PORT` of its gRPC port, likewise; None where it has none.
        server: name and version as its protocol metadata gives them.
        elapsed_s: seconds from its start to its state.
        timings_s: those seconds by step.
        contestant: what answered under the name, where that is not what the name promises; None where it is.
        parity_bounds: by input, the largest error relative to the spread that the stack's own gate accepts.
    """

    name: str
    title: str = ""
    state: str
    reason: str | None = None
    url: str | None = None
    grpc_url: str | None = None
    server: str | None = None
    contestant: str | None = None
    elapsed_s: float | None = None
    timings_s: dict[str, float] = Field(default_factory=dict)
    parity_bounds: dict[Input, float] = Field(default_factory=dict)

    @property
    def ready(self) -> bool:
        """True when it can be measured."""
        return self.state == "ready" and self.url is not None

    @property
    def transports(self) -> tuple[Transport, ...]:
        """What it speaks."""
        return ("http", "grpc") if self.grpc_url else ("http",)

    @property
    def start(self) -> tuple[Any, ...]:
        """What changes when it is started again, compiles, or stops being ready."""
        return self.state, tuple(sorted(self.timings_s.items()))

    def endpoint(self, headers: dict[str, str], timeout_s: float) -> Endpoint:
        """Return its addresses for the client.

        Raises:
            ValueError: it is not ready.
        """
        if self.url is None:
            raise ValueError(f"{self.name} is {self.state}")
        return Endpoint(self.url, self.grpc_url, headers, timeout_s)


class Stack(Record):
    """What `/ready` tells: the model block as it is, the backends in the stack's order, since when it is ready."""

    model: dict[str, Any]
    targets: tuple[Target, ...]
    since: str | None = None

    @property
    def ready(self) -> tuple[Target, ...]:
        """The backends that can be measured."""
        return tuple(target for target in self.targets if target.ready)

    @property
    def max_batch_size(self) -> int:
        """Most images per request."""
        return int(self.model.get("max_batch_size") or 8)

    @property
    def on_gpu(self) -> bool:
        """Whether the models run on a GPU."""
        return str(self.model.get("device", "cpu")).startswith("cuda")


def discover(addresses: Addresses, timeout_s: float = 10.0) -> Stack:
    """Ask a stack what it serves.

    Raises:
        BenchError: nothing answers there.
        BenchError: what answers is no bake-off, or it is not ready.
    """
    url = with_path(addresses.ready_url)
    try:
        response = get(url, addresses.headers, timeout_s)
        if response.status_code in (401, 403):
            raise BenchError(f"{url} answered {response.status_code}; give its key with --api-key or API_KEY")
        document = response.json()
        stack = parse_ready(document, addresses)
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


def parse_ready(document: dict[str, Any], addresses: Addresses) -> Stack:
    """Read a `/ready` document.

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
                title=entry.get("title") or name,
                state=entry["state"],
                reason=entry.get("reason"),
                url=addresses.http(name, entry["url"]) if entry.get("url") else None,
                grpc_url=addresses.grpc(entry["grpc_url"]) if entry.get("grpc_url") else None,
                elapsed_s=entry.get("elapsed_s"),
                timings_s={step: s for step, s in (entry.get("timings_s") or {}).items() if isinstance(s, int | float)},
                parity_bounds={kind: bound for kind, bound in bounds.items() if bound is not None},
            )
        )
    return Stack(model=model, targets=tuple(targets), since=document.get("since"))


def server_gpus(
    addresses: Addresses, what: Literal["name", "uuid"] = "name", timeout_s: float = 5.0
) -> tuple[str, ...]:
    """Return the names or UUIDs of the servers' GPUs, as they tell; empty where they do not."""
    base = with_path(addresses.ready_url).removesuffix("/ready")
    try:
        answer = get(f"{base}/gpu-info", addresses.headers, timeout_s)
        return tuple(str(gpu[what]) for gpu in answer.json()["gpus"])
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return ()


def is_local(url: str) -> bool:
    """Tell whether `url` is at this machine's loopback address."""
    return urlsplit(url).hostname in LOOPBACK


def with_path(url: str) -> str:
    """Return the URL of `/ready`; the base URL of a stack may be given, or the whole."""
    return url if url.rstrip("/").endswith("/ready") else f"{url.rstrip('/')}/ready"


def _states(stack: Stack) -> str:
    return ", ".join(
        f"{target.name} is {target.state}" + (f" ({target.reason})" if target.reason else "")
        for target in stack.targets
    )
