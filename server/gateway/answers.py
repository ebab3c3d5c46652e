"""What a Triton's answers mean, in its words and in ours.

Found with tritonserver 2.51: while a model is unloaded 503 `... is not at ready state`, afterwards 404 `Request for unknown model`,
for a full queue 503 `Exceeds maximum queue size`, for a request that waited too long 503 `Request timeout expired`, for a malformed
request 400 or 500, and 500 `Stub process ... is not healthy` for a model whose process has ended.
"""

import json
import re

from server.gateway.connection import Answer
from server.http.errors import NotReady, QueueFull
from server.http.waiting import DeadlineExceeded
from server.images import ImageError
from server.oip.errors import GIVEN_UP
from server.oip.spec import ENCODED_IMAGE

FULL = "maximum queue size"
LATE = "timeout expired"

_PREFIX = re.compile(r"^\[request id: [^\]]*\] |^in ensemble '[^']*', ")
_FILE = re.compile(rf"{ENCODED_IMAGE}(\[\d+\]: .*)", re.DOTALL)


class NotServing(NotReady):
    """A Triton has done nothing for a request; another one may be asked."""


class TritonFailed(RuntimeError):
    """A Triton could not answer a request that is as it should be; the message is its own."""


def words(answer: Answer) -> str:
    """Return the error that an answer states, without what Triton puts in front of every one."""
    try:
        text = str(json.loads(answer.body)["error"])
    except (ValueError, KeyError, TypeError):
        text = answer.body.decode("utf-8", "replace").strip() or f"status {answer.status}"
    while match := _PREFIX.match(text):
        text = text[match.end() :]
    return text


def check_served(answer: Answer, title: str) -> None:
    """Check that a Triton has taken a request, for a model and version that it should have.

    Raises:
        NotServing: it has not: it loads its models, unloads them, or waits to be started again.
        QueueFull: too many wait in it already.
        DeadlineExceeded: the request has waited in it too long.
    """
    if answer.status in (200, 400):
        return
    text = words(answer)
    if answer.status == 503 and FULL in text:
        raise QueueFull(f"too many requests wait in {title} already (MAX_QUEUE_REQUESTS); try again")
    if answer.status == 503 and LATE in text:
        raise DeadlineExceeded(f"the request waited in {title} for longer than it may; send fewer images or try again")
    if answer.status in (404, 503) or GIVEN_UP in text:
        raise NotServing(f"{title} cannot run the model now ({text}); ask GET /ready when to come back")


def file_error(answer: Answer, item: str) -> ImageError | None:
    """Return the error of an answer that refuses an image file, which the caller calls `item`; None: it does not."""
    found = _FILE.search(words(answer)) if answer.status == 400 else None
    return ImageError(f"{item}{found[1]}") if found else None
