"""The `wan` scenario's links: one before each backend, for the whole run."""

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from bench.client.endpoint import Endpoint
from bench.proxies import proxy_for
from bench.wan import Calibration, Unavailable, link


def open_links(endpoints: Mapping[str, Endpoint], opened: ExitStack) -> tuple[dict[str, Endpoint], dict[str, Any]]:
    """Put a link before every backend and return where they are reached through it, and what the link is.

    Args:
        endpoints: by backend.
        opened: closes the links.

    Raises:
        Unavailable: there can be no such link here; the message is the reason.
    """
    found: dict[str, Endpoint] = {}
    measured: Calibration | None = None
    for name, endpoint in endpoints.items():
        if proxy_for(endpoint.url):
            raise Unavailable(f"{name} is reached through a proxy, before which no link can be put")
        made = opened.enter_context(link(endpoint.url))
        if measured is None:
            try:
                measured = made.calibrate()
            except OSError as error:
                raise Unavailable(f"the link does not carry anything: {error}") from error
        found[name] = Endpoint(made.url, None, endpoint.headers, endpoint.timeout_s)
        properties = {
            "round_trip_ms": made.rtt_ms,
            "uplink_mbit_s": made.uplink_mbit,
            "measured_round_trip_ms": round(measured.rtt_ms, 2),
            "measured_uplink_mbit_s": round(measured.uplink_mbit, 2),
            "how": "a relay for the delay, tbf between two network namespaces for the rate",
        }
    return found, properties
