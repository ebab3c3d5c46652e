"""What kind of failure an answer of a backend is."""

import numpy as np
import pytest
from tritonclient.utils import InferenceServerException

from server.backends.client import BackendClient, BackendError, Busy, ModelLost


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (InferenceServerException("Exceeds maximum queue size", "503"), Busy),
        (InferenceServerException("no answer within 60 s", "504"), Busy),
        (InferenceServerException("in ensemble 'e', Stub process 'p_0_2' is not healthy.", "500"), ModelLost),
        (InferenceServerException("CUDA failure 719", "500"), BackendError),
        (ConnectionRefusedError(111, "Connection refused"), BackendError),
    ],
)
def test_a_failure_is_of_its_kind(monkeypatch: pytest.MonkeyPatch, error: Exception, kind: type[BackendError]) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    with BackendClient("127.0.0.1", 1) as client:
        monkeypatch.setattr(client._client, "infer", fail)
        with pytest.raises(BackendError, match="batch of 1") as caught:
            client.embed_pixels(np.zeros((1, 3, 224, 224), np.uint8))
    assert type(caught.value) is kind
