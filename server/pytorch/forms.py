"""Image files in what REST clients send: multipart forms of any field name, and base64 of any alphabet."""

import base64
import re

from fastapi import Request
from starlette.datastructures import UploadFile

from server.pytorch.errors import BadRequest, Unprocessable

MULTIPART = "multipart/form-data"
_INDEX = re.compile(r"\[\d*\]$")
_URL_SAFE = bytes.maketrans(b"-_", b"+/")
_WHITESPACE = b" \t\r\n\v\f"


def media_type(request: Request) -> str:
    """Return the Content-Type without its parameters, in lower case; empty when there is none."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def form_files(request: Request) -> list[bytes | memoryview]:
    """Return the uploaded files of a form, whatever their one field is called (`files`, `files[]`, `image`, ...).

    Raises:
        Unprocessable: there is no file, files are in several fields, or the field has text too.
    """
    async with request.form(max_fields=16) as form:
        items = [(_INDEX.sub("", name), value) for name, value in form.multi_items()]
        fields = sorted({name for name, value in items if isinstance(value, UploadFile)})
        if not fields:
            found = ", ".join(f"'{name}'" for name in dict.fromkeys(name for name, _ in items))
            raise Unprocessable(
                f"0 files in the form, which has {f'text in {found}' if found else 'no fields'}; "
                "expected image files in a field such as 'files' (curl -F files=@photo.jpg)"
            )
        if len(fields) > 1:
            listed = ", ".join(f"'{name}'" for name in fields)
            raise Unprocessable(f"files in the fields {listed}; expected all of them in one, such as 'files'")
        files: list[bytes | memoryview] = []
        for value in (value for name, value in items if name == fields[0]):
            if not isinstance(value, UploadFile):
                raise Unprocessable(f"{fields[0]}[{len(files)}]: a text field; expected an uploaded image file")
            files.append(await value.read())
        return files


def base64_file(text: str, index: int) -> bytes:
    """Return the file of a base64 text or data URI: with line breaks, URL-safe or unpadded too.

    Raises:
        BadRequest: it is neither; names it as `images[index]`.
    """
    payload = text
    if text[:5].lower() == "data:":
        head, _, payload = text.partition(",")
        if not head.lower().rstrip().endswith(";base64"):
            raise BadRequest(f"images[{index}]: a data URI without base64; expected data:image/jpeg;base64,...")
    try:
        raw = payload.encode("ascii").translate(_URL_SAFE, _WHITESPACE).rstrip(b"=")
        return base64.b64decode(raw + b"=" * (-len(raw) % 4), validate=True)
    except ValueError as error:
        raise BadRequest(f"images[{index}]: not base64 ({error})") from None
