"""Taking a choice of what to keep, as `bakeoff keep --url` and the page send it; the gate carries it out."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from server.console.context import Parts
from server.console_paths import KEEP
from server.http.errors import answer
from server.keep.choice import Choice, Refused, asked

BY = "a request to port 8002"
"""Who chose, where the request does not say."""

router = APIRouter(tags=["status page"])


@router.post(KEEP, status_code=202)
def keep(choice: Choice, parts: Parts) -> Response:
    """Keep one backend by its name, or the `winner` of the newest result here, and end the others; or have `all` back.

    The answer is the choice as it was written down; `kept` in the readiness document says how far it is.
    """
    try:
        made = asked(parts.settings, choice, BY)
    except Refused as problem:
        return answer(problem.status, str(problem))
    return JSONResponse(made.model_dump(mode="json"), 202)
