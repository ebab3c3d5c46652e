"""From a request's body to its JSON object and the binary tensors behind it."""

import json
import re
from typing import Any, NoReturn

from server.oip.errors import InferenceError, bad_request, shown

HEADER_LENGTH = "Inference-Header-Content-Length"

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def parse_header_length(value: int | str | None, body_length: int) -> int:
    """Return how many bytes of the body are JSON; without the HTTP header, all of it.

    Args:
        value: the HTTP header `Inference-Header-Content-Length`, as it came or already a number; None when absent.
        body_length: bytes.

    Raises:
        InferenceError: not a number of bytes from 0 to `body_length`.
    """
    if value is None:
        return body_length
    # int() takes signs, underscores, blanks and other scripts' digits, and gives up above 4300 digits.
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,18}", value.strip(" \t")):
        value = int(value)
    if type(value) is not int or not 0 <= value <= body_length:
        raise bad_request(f"{HEADER_LENGTH} should be an integer in range (0, {body_length}), got {shown(value)}")
    return value


def parse_json_object(data: bytes) -> dict[str, Any]:
    """Parse a request's JSON object.

    Raises:
        InferenceError: not UTF-8, not JSON (RFC 8259, so no NaN), nested too deeply, or not an object.
    """
    try:
        text = str(data, "utf-8")
        document = json.loads(text, parse_constant=_refuse_constant)
        if _SURROGATE.search(text):
            # An unpaired surrogate is a str that cannot be sent back: find it here rather than in the answer.
            json.dumps(document, ensure_ascii=False).encode()
    except UnicodeDecodeError as error:
        raise malformed(f"byte {error.start} is not UTF-8") from error
    except UnicodeEncodeError as error:
        raise malformed("an unpaired surrogate in a string") from error
    except json.JSONDecodeError as error:
        raise malformed(f"{error.msg} at byte {len(text[: error.pos].encode())}") from error
    except RecursionError as error:
        raise malformed("nested too deeply") from error
    except ValueError as error:  # an integer of more than 4300 digits
        raise malformed("a number that is too long") from error
    if not isinstance(document, dict):
        raise bad_request(f"the request's JSON should be an object with 'inputs', got {_kind(document)}")
    return document


def member(owner: dict[str, Any], key: str, kind: type, of: str) -> Any:
    """Return the member `key` of a JSON object.

    Args:
        owner: the object.
        key: its member's name.
        kind: str, list, dict, bool or int; a boolean is no int here.
        of: what the object is, for the message, e.g. `input 'image'`.

    Raises:
        InferenceError: it is missing, or of another kind.
    """
    if key not in owner:
        raise bad_request(f"Unable to parse '{key}' of {of}: it is missing, expected {_KINDS[kind]}")
    value = owner[key]
    if type(value) is not kind:
        raise bad_request(f"Unable to parse '{key}' of {of}: expected {_KINDS[kind]}, got {_kind(value)}")
    return value


def optional_member(owner: dict[str, Any], key: str, kind: type, of: str, default: Any) -> Any:
    """Return the member `key` of a JSON object as `member` does, or `default` when it is missing.

    Raises:
        InferenceError: it is there, and of another kind.
    """
    return member(owner, key, kind, of) if key in owner else default


_KINDS: dict[type, str] = {
    str: "a string",
    list: "an array",
    dict: "an object",
    bool: "true or false",
    int: "an integer",
    float: "a number with a fraction",
    type(None): "null",
}


def _kind(value: object) -> str:
    kind = _KINDS[type(value)]
    return kind if value is None or isinstance(value, list | dict) else f"{kind}, {shown(value)}"


def malformed(reason: str) -> InferenceError:
    """Return the error of JSON that cannot be read."""
    return bad_request(
        f"failed to parse the request JSON: {reason}. Binary tensors behind the JSON need its length in {HEADER_LENGTH}"
    )


def _refuse_constant(constant: str) -> NoReturn:
    raise bad_request(f"failed to parse the request JSON: {constant} is not a JSON number")
