"""A double of a reverse proxy that serves one server under a path, and takes that path away before it passes a request on."""

import argparse
import json
import socket

import httpx
import uvicorn
from fastapi import FastAPI, Request, Response

KEPT = ("content-type", "content-security-policy", "location", "www-authenticate", "etag")


def main() -> None:
    """Serve until SIGTERM; prints the URL under which the other server is found, as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", required=True)
    parser.add_argument("--prefix", required=True, help="such as /stack")
    words = parser.parse_args()
    app = FastAPI(openapi_url=None, redirect_slashes=False)

    @app.api_route(words.prefix + "/{path:path}", methods=["GET", "POST"])
    async def forward(request: Request, path: str) -> Response:
        headers = {name: value for name, value in request.headers.items() if name != "accept-encoding"}
        async with httpx.AsyncClient(base_url=words.target) as client:
            answer = await client.request(
                request.method, f"/{path}", params=request.query_params, content=await request.body(), headers=headers
            )
        kept = {name: value for name, value in answer.headers.items() if name in KEPT}
        return Response(answer.content, answer.status_code, kept)

    listener = socket.create_server(("127.0.0.1", 0))
    print(json.dumps({"url": f"http://127.0.0.1:{listener.getsockname()[1]}{words.prefix}"}), flush=True)
    uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False)).run(sockets=[listener])


if __name__ == "__main__":
    main()
