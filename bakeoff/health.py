"""`bakeoff health`: is everything ready, seen live? Starts in a fraction of a second; imports only the standard library."""

import http.client
import sys
from urllib.parse import urlsplit

from server.home import EnvFileProblem, bakeoff_home
from server.keys import KeyProblem, bearer, configured_keys
from server.readiness import Document, read_document
from server.state import READINESS

TIMEOUT_S = 2.0
MODELS = ("openclip_vit_b32", "openclip_vit_b32_encoded")


def main() -> int:
    """Print one line and return the exit status: 0 when the container is ready, else 1."""
    try:
        problems = _problems(read_document(READINESS.at(bakeoff_home())))
    except EnvFileProblem as error:
        problems = [str(error)]
    if problems:
        print(f"not ready: {'; '.join(problems)}", file=sys.stderr)
        return 1
    print("ready")
    return 0


def _problems(document: Document) -> list[str]:
    backends = document["backends"]
    if not document["ready"]:
        states = [
            f"{name} is {backend['state']}" + (f" ({backend['reason']})" if backend["reason"] else "")
            for name, backend in backends.items()
            if backend["state"] not in ("ready", "skipped")
        ]
        return ([document["note"]] if "note" in document else []) + states
    try:
        headers = bearer(configured_keys())
    except KeyProblem as error:
        return [str(error)]
    return [
        f"{name}: {problem}"
        for name, backend in backends.items()
        if backend["state"] == "ready" and (problem := _probe(backend["url"], headers))
    ]


def _probe(url: str, headers: dict[str, str]) -> str | None:
    """Return why the backend at `url` cannot serve both models, or None."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=TIMEOUT_S)
    try:
        for model in MODELS:
            connection.request("GET", f"/v2/models/{model}/ready", headers=headers)
            response = connection.getresponse()
            response.read()
            if response.status != 200:
                return f"{model} is not ready (status {response.status})"
    except (OSError, http.client.HTTPException) as error:
        return f"{url} does not answer ({error})"
    finally:
        connection.close()
    return None
