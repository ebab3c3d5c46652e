"""A stand-in for Vast.ai's service on 127.0.0.1: notes what the real `vastai` command sends, and answers as documented."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

VASTAI = Path(sys.executable).parent / "vastai"
LOG = "bakeoff: ready"
OWN_QUESTIONS = ("/api/v0/users/current", "/api/v0/gpu_names/unique/")
"""What `vastai` asks before any command, for its help and its completion."""
INSTANCE = {
    "id": 4242,
    "actual_status": "running",
    "start_date": 1_790_000_000.0,
    "extra_env": [["-p 8002:8002", "1"]],
    "public_ipaddr": "192.0.2.7",
    "ports": {
        f"{port}/tcp": [{"HostIp": "0.0.0.0", "HostPort": str(port + 32_000)}, {"HostIp": "::", "HostPort": "1"}]
        for port in (8002, 8010, 8011, 8012, 8020, 8021, 8022)
    },
}


@dataclass
class VastStandIn:
    """What a command asked of it: method and path, and the JSON that came with it."""

    url: str
    home: Path
    asked: list[tuple[str, Any]] = field(default_factory=list)

    def vastai(self, words: Sequence[str], cwd: Path) -> "subprocess.CompletedProcess[str]":
        """Run the real command line against this service."""
        environment = {
            "PATH": os.environ["PATH"], "HOME": str(self.home), "VAST_URL": self.url, "VAST_API_KEY": "not-a-key",
            "VASTAI_NO_UPDATE_CHECK": "1",
        }  # fmt: skip
        return subprocess.run(
            [VASTAI, *words], cwd=cwd, env=environment, input="y\n",
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    def answer(self, request: str) -> Any:
        method, path = request.split(" ")
        return {
            "POST /api/v0/bundles": {"offers": []},
            "POST /api/v0/template": {"success": True, "template": {"id": 1, "hash_id": "abc", "name": "clip-bakeoff"}},
            "PUT /api/v0/asks/384826": {"success": True, "new_contract": 4242},
            "GET /api/v0/instances/4242": {"instances": dict(INSTANCE)},
            "PUT /api/v0/instances/request_logs/4242": {"success": True, "result_url": f"{self.url}/log"},
            "DELETE /api/v0/instances/4242": {"success": True},
        }.get(f"{method} {path.partition('?')[0].rstrip('/')}", {})


@contextmanager
def vast_stand_in(home: Path) -> Iterator[VastStandIn]:
    """Serve on a free port while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def handle_request(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            request = f"{self.command} {self.path}"
            if self.path not in OWN_QUESTIONS:
                service.asked.append((request, json.loads(body) if body else None))
            content = LOG if self.path == "/log" else json.dumps(service.answer(request))
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(content.encode())

        do_GET = do_PUT = do_POST = do_DELETE = handle_request  # noqa: N815 -- http.server's names

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    service = VastStandIn(f"http://127.0.0.1:{server.server_address[1]}", home)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
