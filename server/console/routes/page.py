"""The status page and what it asks: how the backends are, a photo through all of them, a quick benchmark, its report."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse, JSONResponse, Response

from server.console import guide, page
from server.console.context import Parts, Readiness
from server.console.quick_benchmark import AlreadyRunning, last_report
from server.console_paths import GUIDE, PICTURES, SAMPLES, TRY
from server.http.errors import NotReady, answer
from server.http.observed import HEADER as REQUEST_ID
from server.http.pages import HEADERS
from server.http.tracing import onward
from server.live.history import read_history
from server.state import HISTORY

REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'"

router = APIRouter(tags=["status page"])


async def shell(request: Request) -> Response:
    """Return one of the page's own files."""
    file = page.files()[request.url.path]
    headers = {**HEADERS, "ETag": file.tag}
    if request.headers.get("if-none-match") == file.tag:
        return Response(status_code=304, headers=headers)
    return Response(file.data, media_type=file.media_type, headers=headers)


async def document(request: Request) -> Response:
    """Return one of the project's documents as a page, or a picture in one."""
    file = GUIDE[request.url.path]
    if file.suffix in PICTURES:
        return FileResponse(file, media_type=PICTURES[file.suffix], headers=HEADERS)
    return Response(guide.render(request.url.path), media_type=page.TYPES[".html"], headers=HEADERS)


for _path, _serve in {**dict.fromkeys(page.files(), shell), **dict.fromkeys(GUIDE, document)}.items():
    router.add_route(_path, _serve, methods=["GET", "HEAD"], include_in_schema=False)


@router.get("/live")
def live(
    parts: Parts,
    readiness: Readiness,
    since: Annotated[float, Query(description="Unix seconds of the last look known")] = 0.0,
) -> JSONResponse:
    """Everything that the page shows: the readiness document, the looks since, the benchmark, the last report."""
    report = last_report(parts.settings)
    shown = {
        "backends": {name: asdict(backend) for name, backend in parts.backends.items()},
        "ready": readiness,
        "history": read_history(HISTORY.at(parts.settings.bakeoff_home), since),
        "benchmark": parts.benchmark.state(),
        "report": report.parent.name if report else None,
        "samples": SAMPLES,
        "max_body_mb": parts.settings.max_body_mb,
    }
    return JSONResponse(shown, headers={"Cache-Control": "no-store"})


@router.post(TRY)
async def try_photo(request: Request, parts: Parts, readiness: Readiness) -> dict[str, Any]:
    """Embed one photo, the raw file as the body, through every backend that is ready, one after the other."""
    states = readiness["backends"]
    ready = [name for name in parts.backends if states.get(name, {}).get("state") == "ready"]
    if not ready:
        raise NotReady("no backend is ready; ask GET /ready when to come back")
    identifier = request.headers.get(REQUEST_ID, "")
    return {"backends": await parts.trial.embed(await request.body(), ready, onward(request.headers), identifier)}


@router.post("/benchmark", status_code=202)
async def benchmark(parts: Parts, readiness: Readiness) -> Response:
    """Start the quick benchmark; one at a time, and only while everything is ready."""
    if not readiness["ready"]:
        raise NotReady("the benchmark needs every backend ready; ask GET /ready when to come back")
    try:
        await parts.benchmark.start()
    except AlreadyRunning as error:
        return answer(409, str(error))
    return JSONResponse({"benchmark": "started"}, 202)


@router.get("/report")
def report(parts: Parts) -> Response:
    """The newest report, one self-contained page."""
    file = last_report(parts.settings)
    if file is None:
        return answer(404, "there is no report yet; POST /benchmark, or run `bakeoff bench`")
    return FileResponse(file, media_type="text/html", headers={"Content-Security-Policy": REPORT_POLICY})
