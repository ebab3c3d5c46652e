"""One more stack for the tests in this folder: it asks for a key, has narrow limits, turns photos by
their EXIF orientation and watches its backends closely."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import priority
from tests.stack.stack import PRECISION, RunningStack, same_model, start

KEYS = ("first-key", "second-key")
MAX_CONNECTIONS = 150


@pytest.fixture(scope="package")
def guarded(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    folder = tmp_path_factory.mktemp("guarded")
    key_file = folder / "keys"
    key_file.write_text("\n".join(KEYS))
    with priority.first():
        running = start(
            same_model(exported, folder),
            19_000,
            BACKENDS="pytorch,onnx",
            PRECISION=PRECISION,
            API_KEY_FILE=str(key_file),
            CANARY_INTERVAL_S="1",
            HANG_TIMEOUT_S="10",
            CLIENT_TIMEOUT_S="2",
            DECODE_WORKERS="4",
            MAX_CONNECTIONS=str(MAX_CONNECTIONS),
            MAX_BATCH_SIZE="16",
            MAX_QUEUE_REQUESTS="4",
            MAX_QUEUE_IMAGES="48",
            APPLY_EXIF_ORIENTATION="true",
        )
    running.headers = {"Authorization": f"Bearer {KEYS[0]}"}
    try:
        running.wait(200)
        yield running
    finally:
        running.stop()


@pytest.fixture(params=["pytorch", "onnx"])
def backend(request: pytest.FixtureRequest) -> str:
    """Return the name of one that this stack has, on its own port."""
    return str(request.param)
