"""What a setting may be, by its kind: how it is read from the text of a variable, and what is wrong with it."""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_core import ErrorDetails
from pydantic_settings import NoDecode

from server.addresses import parse_host
from server.keys import parse_keys
from server.paths import home_problem

Precision = Literal["fp16", "bf16", "tf32", "fp32"]
BackendName = Literal["pytorch", "onnx", "tensorrt"]
BACKEND_NAMES: tuple[BackendName, ...] = ("pytorch", "onnx", "tensorrt")

HOST_NAME = re.compile(r"\*|(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*")


def _parts(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _each_once(value: object) -> object:
    parts = _parts(value)
    return tuple(dict.fromkeys(parts)) if isinstance(parts, tuple) else parts


def _keys(value: object) -> object:
    return parse_keys(value) if isinstance(value, str) else value


def _host_names(names: tuple[str, ...]) -> tuple[str, ...]:
    names = tuple(name.lower() for name in names)
    if wrong := [name for name in names if not HOST_NAME.fullmatch(name)]:
        raise ValueError(f"{wrong[0]!r} is no name of a host; give it without scheme, port and path")
    return names


def _home(value: Path) -> Path:
    path = value.expanduser().absolute()
    if problem := home_problem(str(path)):
        raise ValueError(problem)
    return path


Port = Annotated[int, Field(ge=1, le=65535)]
Address = Annotated[str, AfterValidator(parse_host)]
HomeFolder = Annotated[Path, AfterValidator(_home)]
Backends = Annotated[tuple[BackendName, ...], NoDecode, BeforeValidator(_each_once)]
Keys = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_keys)]
Origins = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_parts)]
HostNames = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_parts), AfterValidator(_host_names)]


def explained(item: ErrorDetails) -> str:
    """Return what is wrong with a setting in one line: the variable, its value unless it is a key, and what is allowed."""
    message = item["msg"].removeprefix("Value error, ")
    if not item["loc"]:
        return message
    name = str(item["loc"][0]).upper()
    value = "(hidden)" if name == "API_KEY" else repr(item["input"])
    return f"{name}={value}: {message[0].lower()}{message[1:]}"
