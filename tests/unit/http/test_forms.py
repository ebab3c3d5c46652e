"""What REST clients send is understood where it can mean one thing only."""

import base64
import textwrap

import httpx
import pytest
from fastapi import FastAPI, Request
from hypothesis import given
from hypothesis import strategies as st

from server.http import errors
from server.http.forms import form_files, media_type
from server.http.json_bodies import base64_file
from server.oip.errors import InferenceError

FORM = {"Content-Type": "multipart/form-data; boundary=AbC"}


@pytest.fixture
def client() -> httpx.AsyncClient:
    app = FastAPI()
    errors.install(app)

    @app.post("/")
    async def told(request: Request) -> list[str]:
        return [bytes(file).decode() for file in await form_files(request)]

    @app.post("/kind")
    async def kind(request: Request) -> str:
        return media_type(request)

    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


@pytest.mark.parametrize("field", ["files", "files[]", "file", "image", "images", "image[]", "photo"])
async def test_the_field_may_have_any_name(client: httpx.AsyncClient, field: str) -> None:
    answer = await client.post("/", files=[(field, b"one"), (field, b"two")], data={"album": "holidays"})
    assert answer.json() == ["one", "two"]


async def test_fields_may_be_numbered(client: httpx.AsyncClient) -> None:
    answer = await client.post("/", files=[("files[0]", b"one"), ("files[1]", b"two")])
    assert answer.json() == ["one", "two"]


@pytest.mark.parametrize("kind", ["MULTIPART/FORM-DATA; boundary=AbC", 'Multipart/Form-Data ; Boundary="AbC"'])
async def test_the_content_type_may_be_in_any_case(client: httpx.AsyncClient, kind: str) -> None:
    body = b'--AbC\r\nContent-Disposition: form-data; name="files"; filename="x"\r\n\r\none\r\n--AbC--\r\n'
    answer = await client.post("/", content=body, headers={"Content-Type": kind})
    assert answer.json() == ["one"]
    assert (await client.post("/kind", content=body, headers={"Content-Type": kind})).json() == "multipart/form-data"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (
            {"files": [("image", b"one"), ("mask", b"two")]},
            "files in the fields 'image', 'mask'; expected all of them in one",
        ),
        ({"files": {"files": (None, b"no file name")}}, "0 files in the form, which has text in 'files'; expected"),
        ({"files": [("files", b"one"), ("files", (None, b"text"))]}, "files[1]: a text field"),
    ],
    ids=["two-fields", "text", "both"],
)
async def test_what_could_mean_something_else_is_refused(client: httpx.AsyncClient, fields, words: str) -> None:
    answer = await client.post("/", **fields)
    assert answer.status_code == 422
    assert words in answer.json()["error"]


async def test_an_empty_form_is_called_that(client: httpx.AsyncClient) -> None:
    answer = await client.post("/", content=b"--AbC--\r\n", headers=FORM)
    assert answer.status_code == 422
    assert "0 files in the form, which has no fields" in answer.json()["error"]


@given(st.binary(max_size=300))
def test_base64_of_every_kind_is_read(data: bytes) -> None:
    standard = base64.b64encode(data).decode()
    url_safe = base64.urlsafe_b64encode(data).decode()
    lines = base64.encodebytes(data).decode()
    for text in (
        standard,
        url_safe,
        url_safe.rstrip("="),
        lines,
        "\r\n".join(textwrap.wrap(standard, 76)) + "\r\n",
        f"data:image/jpeg;base64,{standard}",
        f"DATA:image/png;charset=utf-8;BASE64,{lines}",
    ):
        assert base64_file(text, 0) == data


@pytest.mark.parametrize("text", ["%%%", "A", "AAAAA", "ä", "AA=A", "data:image/jpeg,AAAA"])
def test_what_is_no_base64_is_named(text: str) -> None:
    with pytest.raises(InferenceError, match=r"^images\[3\]: (not base64 \(|a data URI without base64)"):
        base64_file(text, 3)
