"""Where a Vast.ai instance's ports are: each is published under a port of the machine's own choice.

Inside an instance its environment tells (`PUBLIC_IPADDR`, `VAST_TCP_PORT_8002`, ...), elsewhere what
`vastai show instance ID --raw` prints (https://docs.vast.ai/guides/instances/connect/networking).
"""

import os
import re
import sys
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from bench.errors import BenchError

PortMap = Mapping[int, tuple[str, int]]
"""By the instance's own port, the public host and port."""

PORT_VARIABLE = re.compile(r"VAST_TCP_PORT_([0-9]{1,5})")
PORT_KEY = re.compile(r"([0-9]{1,5})/tcp")
SHOW = "vastai show instance ID --raw"

Host = Annotated[str, AfterValidator(lambda text: str(ip_address(text)))]


class VastError(BenchError):
    """An instance's ports are not known; the message says what was found, what was expected and what to do."""


class Published(BaseModel):
    """One public port of one of the instance's ports."""

    port: int = Field(alias="HostPort", ge=1, le=65535)


class Instance(BaseModel):
    """Of an instance's JSON, what is needed here; the names are Vast.ai's and Docker's. While it loads, most is null."""

    model_config = ConfigDict(str_strip_whitespace=True)

    public_ipaddr: Host | None
    ports: dict[str, list[Published] | None] | None = None
    actual_status: str | None = None

    def port_map(self) -> PortMap:
        """Return where its TCP ports are; one that is published at several addresses is at the first."""
        if self.public_ipaddr is None:
            return {}
        return {
            int(key[1]): (self.public_ipaddr, published[0].port)
            for name, published in (self.ports or {}).items()
            if published and (key := PORT_KEY.fullmatch(name))
        }


def vast_ports(source: str, needed: int) -> PortMap:
    """Return where an instance's ports are reached.

    Args:
        source: `env` in a shell of the instance, the file with its JSON, or `-` for standard input.
        needed: the port without which nothing can be measured, that of `/ready`.

    Raises:
        VastError: there is no such port in it.
    """
    instance = from_environment(os.environ) if source == "env" else parse_instance(_read(source), source)
    ports = instance.port_map()
    if needed not in ports:
        raise VastError(
            f"--vast {source}: the instance publishes {', '.join(map(str, sorted(ports))) or 'no port'}, not {needed}; "
            f"its status is {instance.actual_status or 'not known'}. Wait until it runs, or create it with "
            f"-p {needed}:{needed} and the other ports (`make vast` prints the command)"
        )
    return ports


def from_environment(environment: Mapping[str, str]) -> Instance:
    """Return the instance that an environment is of.

    Raises:
        VastError: it is of none, or a value is no address or no port.
    """
    if "PUBLIC_IPADDR" not in environment:
        raise VastError(
            "--vast env: PUBLIC_IPADDR is not set, so this is no shell of a Vast.ai instance, or one that does not see "
            f"its environment; elsewhere: {SHOW} > instance.json, and --vast instance.json"
        )
    ports = {
        f"{key[1]}/tcp": [{"HostPort": value}]
        for name, value in environment.items()
        if (key := PORT_VARIABLE.fullmatch(name))
    }
    return _validate({"public_ipaddr": environment["PUBLIC_IPADDR"], "ports": ports}, "env")


def parse_instance(text: bytes, source: str) -> Instance:
    """Read an instance's JSON, as the command line prints it or as the service answers, in one more object.

    Args:
        text: the JSON.
        source: where it is from, for messages.

    Raises:
        VastError: it is something else.
    """
    try:
        document = from_json(text)
    except ValueError as error:
        raise VastError(
            f"--vast {source}: {len(text)} bytes that are no JSON ({error}); make it with: {SHOW}"
        ) from None
    if isinstance(document, dict) and "instances" in document:
        document = document["instances"]
    if document is None:
        raise VastError(f"--vast {source}: there is no such instance; `vastai show instances` lists yours")
    return _validate(document, source)


def _validate(document: Any, source: str) -> Instance:
    try:
        return Instance.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        found = repr(first["input"])
        raise VastError(
            f"--vast {source}: {where} is {found[:80]}{'...' if len(found) > 80 else ''}: {first['msg']}; "
            f"expected one instance's public_ipaddr and ports, as {SHOW} prints them"
        ) from None


def _read(source: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
    except (OSError, ValueError) as error:
        raise VastError(f"--vast {source}: cannot be read ({error}); make it with: {SHOW} > {source}") from error
