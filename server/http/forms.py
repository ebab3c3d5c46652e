"""Image files in what REST clients send: multipart forms of any field name."""

import re

from fastapi import Request
from starlette.datastructures import UploadFile

from server.http.errors import Unprocessable

MULTIPART = "multipart/form-data"
_INDEX = re.compile(r"\[\d*\]$")


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
