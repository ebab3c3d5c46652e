"""What every answer of port 8002 tells a browser, and that no page of ours loads anything from elsewhere."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient

from server.console.app import create_app
from server.console_paths import GUIDE, OPEN
from server.http.pages import POLICY
from server.settings import Settings
from tests.doubles.front import front

LOADED = re.compile(r"""<(?:script|img|iframe|link)[^>]*?(?:src|href)="([^"]*)"|@import|url\(([^)]*)\)""")


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    console = create_app(Settings(bakeoff_home=tmp_path), "cpu")
    with TestClient(front(httpx.ASGITransport(console))) as made:
        yield made


@pytest.mark.parametrize("path", [*OPEN, "/docs", "/openapi.json", "/health", "/nothing"])
def test_every_answer_has_a_policy(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    assert (headers["X-Content-Type-Options"], headers["Referrer-Policy"]) == ("nosniff", "no-referrer")
    policy = headers.get_list("Content-Security-Policy")
    assert len(policy) == 1
    assert "default-src 'none'" in policy[0]
    assert "frame-ancestors 'none'" in policy[0]
    assert "http" not in policy[0]
    assert "unsafe-eval" not in policy[0]


@pytest.mark.parametrize("path", ["/", "/docs", *(path for path in GUIDE if path.endswith(".md"))])
def test_no_page_loads_anything_from_elsewhere(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    found = [first or second for first, second in LOADED.findall(answer.text)]
    assert found
    assert not [address for address in found if "//" in address]
    assert "<script>" not in answer.text


def test_the_page_of_the_api_has_every_route_and_what_it_takes(client: TestClient) -> None:
    shown = client.get("/docs").text
    for path in client.get("/openapi.json").json()["paths"]:
        assert f" {path}</code>" in shown
    assert "image/webp" in shown
    assert "since" in shown
    assert 'href="openapi.json"' in shown
    assert "a server" in shown


def test_the_policies_of_page_and_report_are_kept(client: TestClient) -> None:
    assert client.get("/").headers["Content-Security-Policy"] == POLICY
