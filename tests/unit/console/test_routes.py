"""What the console says: the gate's document with what its front knows, the page's files, and errors in words."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from server.console import page
from server.console.app import create_app
from server.console_paths import BEHIND_KEY, FILES, GUIDE, OPEN, THUMBNAILS
from server.http.front_status import HEADER, FrontStatus
from server.settings import Settings
from tests.browser.recorded_states import put, recorded

LOADING = "PyTorch: the engine is loading the model"


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    settings = Settings(bakeoff_home=tmp_path)
    settings.home.state.mkdir()
    with TestClient(create_app(settings, "cpu"), follow_redirects=False) as made:
        yield made


def ready(client: TestClient, status: FrontStatus | None = None) -> tuple[int, dict[str, Any]]:
    answer = client.get("/ready", headers={HEADER: status.as_header()} if status else {})
    return answer.status_code, answer.json()


def test_before_the_gate_has_started_it_is_said(client: TestClient) -> None:
    code, document = ready(client)
    assert (code, document["note"]) == (503, "the readiness gate has not started yet")


def test_the_gates_document_is_served_as_it_is(client: TestClient, tmp_path: Path) -> None:
    put(tmp_path, recorded("ready"))
    for status in (None, FrontStatus()):
        code, document = ready(client, status)
        assert (code, document["ready"]) == (200, True)
        assert "note" not in document


def test_what_is_ready_for_the_gate_is_not_while_its_front_is_not(client: TestClient, tmp_path: Path) -> None:
    put(tmp_path, recorded("ready"))
    for lost in (False, True):
        code, document = ready(client, FrontStatus(LOADING, lost))
        assert (code, document["ready"], document["note"]) == (503, False, LOADING)
        assert document["backends"]


@pytest.mark.parametrize(("lost", "said"), [(False, None), (True, LOADING)])
def test_while_the_gate_knows_better_only_news_is_added(
    client: TestClient, tmp_path: Path, lost: bool, said: str | None
) -> None:
    put(tmp_path, recorded("compiling"))
    code, document = ready(client, FrontStatus(LOADING, lost))
    assert (code, document.get("note")) == (503, said)


@pytest.mark.parametrize(("state", "code", "said"), [("ready", 200, "a note"), ("compiling", 503, None)])
def test_what_is_amiss_in_a_front_that_serves_is_a_note(
    client: TestClient, tmp_path: Path, state: str, code: int, said: str | None
) -> None:
    put(tmp_path, recorded(state))
    found, document = ready(client, FrontStatus(note="a note"))
    assert (found, document.get("note")) == (code, said)


def test_the_page_says_the_same(client: TestClient, tmp_path: Path) -> None:
    put(tmp_path, recorded("ready"))
    shown = client.get("/live", headers={HEADER: FrontStatus(LOADING).as_header()}).json()
    assert shown["ready"]["note"] == LOADING
    assert set(shown["backends"]) == {"pytorch", "onnx", "tensorrt"}
    assert shown["history"]["at"]
    assert client.get("/live?since=9999999999").json()["history"]["at"] == []


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("GET", "/live?since=x", 422, "query.since: "),
        ("POST", "/try", 503, "no backend is ready; ask GET /ready when to come back"),
        ("POST", "/benchmark", 503, "the benchmark needs every backend ready; ask GET /ready when to come back"),
        ("DELETE", "/ready", 405, "/ready does not take DELETE; allowed: GET, HEAD"),
        ("GET", "/try", 405, "/try does not take GET; allowed: POST"),
        ("POST", "/page/main.js", 405, "/page/main.js does not take POST; allowed: GET, HEAD"),
    ],
)
def test_every_error_is_said_in_words(client: TestClient, method: str, path: str, status: int, words: str) -> None:
    answer = client.request(method, path, content=b"photo" if method == "POST" else None)
    assert answer.status_code == status
    assert answer.json()["error"].startswith(words)
    assert ("Retry-After" in answer.headers) is (status == 503)


def test_a_front_that_is_not_ready_starts_no_benchmark(client: TestClient, tmp_path: Path) -> None:
    put(tmp_path, recorded("ready"))
    answer = client.post("/benchmark", headers={HEADER: FrontStatus(LOADING).as_header()})
    assert answer.status_code == 503


def test_it_answers_the_paths_of_the_table_and_describes_them(client: TestClient) -> None:
    assert all(client.get(path).status_code == 200 for path in OPEN)
    assert set(client.get("/openapi.json").json()["paths"]) == set(BEHIND_KEY)


def test_files_are_sent_once_and_asked_for_again_by_their_tag(client: TestClient) -> None:
    assert set(page.files()) == {*FILES, *THUMBNAILS}
    for path in page.files():
        first = client.get(path)
        again = client.get(path, headers={"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.content) == (304, b"")
    assert all(len(page.files()[path].data) < 8_000 for path in THUMBNAILS)


def test_documents_link_to_each_other_where_they_are_served(client: TestClient) -> None:
    text = client.get("/guide/README.md").text
    assert 'href="readiness.md"' in text
    assert all(f"/guide/{name}" in GUIDE for name in ("readiness.md", "operations.md", "architecture.svg"))


def test_the_containers_metrics_are_there(client: TestClient, tmp_path: Path) -> None:
    put(tmp_path, recorded("ready"))
    assert "bakeoff_ready 1.0" in client.get("/metrics/container").text


def test_gpus_are_told(client: TestClient) -> None:
    assert client.get("/gpu-info").json()["device"] == "cpu"
