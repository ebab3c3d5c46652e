"""What is answered instead of an inference."""

GIVEN_UP = "is not healthy"
"""In Triton's answer for a Python model whose process has ended or hangs: `Stub process ... is not healthy`."""


class InferenceError(Exception):
    """A request that cannot be answered; the message says what was found and what was expected, for people.

    Attributes:
        status: the HTTP status to answer with.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def bad_request(message: str) -> InferenceError:
    """Return the error of a request that is wrong in itself (status 400; Triton answers 500 to some of these)."""
    return InferenceError(400, message)


def shown(value: object, limit: int = 80) -> str:
    """Return a value of a client's JSON as it may appear in a message: one level deep, at most `limit` characters."""
    if isinstance(value, list):
        text = f"[{','.join(shown(item) if not isinstance(item, list) else '[…]' for item in value[:limit])}]"
    elif isinstance(value, dict):
        text = "{…}"
    else:
        text = repr(value[:limit] if isinstance(value, str) else value)
    return text if len(text) <= limit else text[: limit - 1] + "…"
