"""`python -m tests.doubles.recorded_stack`: port 8002's status page over recorded documents, for states that take long to reach.

The console is the product's, and so is the way to it; what the gate would write lies in `--home` already, and no model is
behind it. With `--key` it asks for that key where the product does.
"""

import argparse
import asyncio
import json
import socket

import uvicorn
from fastapi import FastAPI

from server.console.app import create_app
from server.hardware import resolve
from server.http.passed_on import over_socket
from server.settings import Settings
from server.sockets import CONSOLE, listen, socket_path
from tests.doubles.front import front


def main() -> None:
    """Serve until SIGTERM; prints its URL as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", required=True)
    parser.add_argument("--key")
    words = parser.parse_args()
    settings = Settings(bakeoff_home=words.home, _env_file=None)  # type: ignore[call-arg]
    settings.home.state.mkdir(parents=True, exist_ok=True)
    path = socket_path(settings.bakeoff_home, CONSOLE)
    console, own = listen(path), socket.create_server(("127.0.0.1", 0))
    print(json.dumps({"url": f"http://127.0.0.1:{own.getsockname()[1]}"}), flush=True)
    asyncio.run(
        _serve(create_app(settings, resolve(settings).device), console, front(over_socket(path), key=words.key), own)
    )


async def _serve(console: FastAPI, console_listener: socket.socket, own: FastAPI, own_listener: socket.socket) -> None:
    """Run both until one has ended."""
    behind = asyncio.ensure_future(_server(console).serve([console_listener]))
    await _server(own).serve([own_listener])
    behind.cancel()


def _server(app: FastAPI) -> uvicorn.Server:
    return uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, date_header=False))


if __name__ == "__main__":
    main()
