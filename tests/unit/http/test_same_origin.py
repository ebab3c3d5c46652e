"""Another web page gets nothing from port 8002; its own page, programs and whatever stands in between do."""

import socket

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Receive, Scope, Send

from server.http.access import LIVENESS
from server.http.same_origin import SameOrigin, ServedNames
from server.settings import SettingsError, load_settings

NAVIGATION = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


async def behind(_: Scope, __: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def ask(
    method: str = "POST",
    *,
    host: str = "127.0.0.1:8002",
    path: str = "/benchmark",
    allowed: tuple[str, ...] = (),
    cors: tuple[str, ...] = (),
    **headers: str,
) -> int:
    app = SameOrigin(behind, allowed, cors, LIVENESS)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = await client.request(method, path, headers={"Host": host, **sent})
    if answer.status_code != 200:
        assert answer.headers["Connection"] == "close"
        assert "ALLOWED_HOSTS" in answer.json()["error"]
    return answer.status_code


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:8002", "127.0.0.1", "[::1]:8002", "[2001:db8::7]", "203.0.113.9:41234", "10.1.2.3:8002", "localhost:8002",
        "LOCALHOST", "localhost.", "stack.localhost:8002", "bakeoff:8002", "gpu-box", "", socket.gethostname(),
    ],
)  # fmt: skip
async def test_what_no_stranger_can_have_in_dns_is_served(host: str) -> None:
    assert await ask(host=host) == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "evil.example:8002", "127.0.0.1.evil.example", "localhost.evil.example", "127.0.0.1@evil.example", "evil.example.",
        "[::1].evil.example", "[::1]evil.example", "a b.example", "notlocalhost.example", "1.2.3", "1.2.3.4.5", "evil.example/localhost",
    ],
)  # fmt: skip
async def test_a_foreign_name_is_refused_whatever_is_asked(host: str) -> None:
    assert await ask(host=host) == 421
    assert await ask("GET", path="/live", host=host) == 421
    for path in LIVENESS:
        assert await ask("GET", path=path, host=host) == 200


async def test_names_behind_a_proxy_are_allowed_by_the_setting() -> None:
    assert await ask(host="clip.example:443", allowed=("clip.example",)) == 200
    assert await ask(host="a.b.clip.example", allowed=("*.clip.example",)) == 200
    assert await ask(host="clip.example", allowed=("*.clip.example",)) == 421
    assert await ask(host="notclip.example", allowed=("clip.example", "*.clip.example")) == 421
    assert await ask(host="any.example", allowed=("*",)) == 200


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:3000", "http://127.0.0.1", "http://[", ""]
)
@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
async def test_another_page_is_refused_by_its_origin(origin: str, method: str) -> None:
    assert await ask(method, Origin=origin) == (403 if origin else 200)


@pytest.mark.parametrize("site", ["cross-site", "same-site", "nonsense"])
async def test_another_page_is_refused_by_what_its_browser_says(site: str) -> None:
    assert await ask(Sec_Fetch_Site=site) == 403
    assert await ask("GET", path="/live", Sec_Fetch_Site=site, Sec_Fetch_Mode="no-cors", Sec_Fetch_Dest="image") == 403
    assert await ask("GET", path="/", **{**NAVIGATION, "Sec-Fetch-Dest": "iframe", "Sec-Fetch-Site": site}) == 403
    assert await ask("POST", **{**NAVIGATION, "Sec-Fetch-Site": site}) == 403


async def test_a_link_elsewhere_may_be_followed() -> None:
    assert await ask("GET", path="/", **NAVIGATION) == 200


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("127.0.0.1:8002", "http://127.0.0.1:8002"),
        ("[::1]:8002", "http://[::1]:8002"),
        ("Box:8002", "http://box:8002"),
        ("localhost", "http://localhost"),
        ("localhost:80", "http://localhost"),
    ],
)
async def test_the_servers_own_page_may_ask(host: str, origin: str) -> None:
    assert await ask(host=host, Origin=origin) == 200
    assert await ask(host=host, Origin=origin, Sec_Fetch_Site="same-origin") == 200


async def test_the_servers_own_page_may_ask_through_proxies() -> None:
    page = "https://clip.example"
    assert await ask(host="clip.example", allowed=("clip.example",), Origin=page) == 200  # it passes the name on
    assert await ask(Origin=page, Sec_Fetch_Site="same-origin") == 200  # it asks by address
    assert await ask(Origin=page, X_Forwarded_Host="clip.example") == 200
    assert await ask(Origin="http://clip.example:8080", allowed=("clip.example",)) == 200
    assert await ask(Origin="http://evil.example", allowed=("*",)) == 403


async def test_pages_that_cors_allows_may_ask() -> None:
    page = "https://photos.example"
    for cors in ((page,), ("*",)):
        assert await ask(cors=cors, Origin=page, Sec_Fetch_Site="cross-site") == 200
    assert await ask(cors=(page,), Origin="https://evil.example", Sec_Fetch_Site="cross-site") == 403


@given(st.text())
def test_any_host_is_judged(host: str) -> None:
    assert isinstance(host in ServedNames(()), bool)


@pytest.mark.parametrize("value", ["http://clip.example", "clip.example:443", "clip.example/x", "*clip", "a b"])
def test_a_setting_that_is_no_name_is_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOWED_HOSTS", value)
    with pytest.raises(SettingsError, match="without scheme, port and path"):
        load_settings()


def test_names_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOWED_HOSTS", "Clip.example, *.b.example,*")
    assert load_settings().allowed_hosts == ("clip.example", "*.b.example", "*")
