"""The gate's looks at the backends' metrics, over pages that were recorded from real servers."""

import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from server.backend_addresses import addresses
from server.gate.sampler import Sampler
from server.live.history import Recorder, read_history
from server.settings import Settings

RECORDED = Path(__file__).parents[1] / "live" / "recorded"
COUNT = re.compile(r'^(nv_inference_(?:count|request_success)\{model="openclip_vit_b32(?:_encoded)?".*\}) (\d+)$', re.M)


class Pages:
    """Recorded pages whose image and request counts grow by 100 with every look."""

    def __init__(self) -> None:
        self.looks = 0
        self.port = 0
        self.broken = False

    def text(self, name: str) -> bytes:
        self.looks += 1
        page = (RECORDED / f"{name}.txt").read_text()
        return COUNT.sub(lambda found: f"{found[1]} {int(found[2]) + 100 * self.looks}", page).encode()


@pytest.fixture
def pages() -> Iterator[Pages]:
    found = Pages()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = found.text("triton")
            self.send_response(500 if found.broken else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield found
    server.shutdown()
    server.server_close()
    thread.join()


def test_looks_become_rates_and_a_gap_where_a_backend_is_away(pages: Pages, tmp_path: Path) -> None:
    table = addresses(Settings())
    there = replace(table["onnx"], metrics_port=pages.port)
    away = replace(table["tensorrt"], metrics_port=1)
    sampler = Sampler(
        lambda: [there, away], Recorder(tmp_path / "live.json", ("onnx", "tensorrt"), {}), threading.Event()
    )
    with httpx.Client() as client:
        for broken in (False, False, True, False, False):
            pages.broken = broken
            sampler._look(client)
    found = read_history(tmp_path / "live.json")
    known = [value is not None for value in found["backends"]["onnx"]["images_per_s"]]
    assert known == [False, True, False, False, True], "the first look, and the first after a gap, compare with nothing"
    assert [value is not None for value in found["backends"]["onnx"]["p50_ms"]] == known
    assert set(found["backends"]["tensorrt"]["images_per_s"]) == {None}
    assert found["notes"]["onnx"] == {"waiting": "requests", "latency": "openclip_vit_b32_encoded"}
    assert all(value is not None for value in found["machine"]["cpu"])
