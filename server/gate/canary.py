"""One photo now and then through a ready backend: a server can answer 200 and be wrong, or answer nothing at all."""

import itertools
import threading
import time
from collections.abc import Callable

import numpy as np

from server.backends.client import BackendClient, BackendError, Busy, ModelLost
from server.gate.checks import bounds
from server.model.agreement import compare
from server.model.reference import Reference
from server.setting_types import Precision


class Canary:
    """Embeds probe photos in a thread of its own, because an answer may take long under load."""

    def __init__(
        self,
        connect: Callable[[], BackendClient],
        reference: Reference,
        precision: Precision,
        interval_s: float,
        *,
        decodes_on_gpu: bool,
    ) -> None:
        """Prepare; used as a context manager, within which the thread runs.

        Args:
            connect: returns a new connection to the backend.
            precision: of the backend, which decides how near its embeddings have to be.
            interval_s: seconds between an answer and the next photo.
        """
        self._connect = connect
        self._reference = reference
        self._bounds = bounds(precision, decodes_on_gpu=decodes_on_gpu)
        self._interval_s = interval_s
        self._stop = threading.Event()
        self._answered = time.monotonic()
        self._asking = False
        self._problem: str | None = None
        self._incurable = False

    def __enter__(self) -> "Canary":
        threading.Thread(target=self._run, name="canary", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()  # a thread that still waits for an answer ends with that

    @property
    def problem(self) -> str | None:
        """What was wrong with an answer, for a person; None while all were right."""
        return self._problem

    @property
    def incurable(self) -> bool:
        """Whether only a new process helps: an embedding is not the reference's, or Triton has given up a model's process."""
        return self._incurable

    @property
    def waiting_s(self) -> float:
        """Seconds since the last answer, while one is waited for; else 0."""
        return time.monotonic() - self._answered if self._asking else 0.0

    def _run(self) -> None:
        rows = itertools.cycle(range(len(self._reference.files)))
        with self._connect() as client:
            while not self._stop.wait(self._interval_s) and self._problem is None:
                if not self._asking:
                    self._answered = time.monotonic()
                self._asking = True
                try:
                    problem = self.ask(client, next(rows))
                    self._incurable = problem is not None
                    self._problem = problem  # last: whoever sees it looks at the other
                except Busy:
                    continue  # still without an answer
                except BackendError as error:
                    self._incurable = isinstance(error, ModelLost)
                    self._problem = str(error)
                except Exception as error:  # an answer that nobody foresaw is no right one
                    self._problem = f"the gate cannot read the answer: {error!r}"
                self._asking = False

    def ask(self, client: BackendClient, row: int) -> str | None:
        """Return what is wrong with the embeddings of one photo, as pixels and as a file, or None.

        Raises:
            BackendError: there was no answer, or an error.
        """
        answers = {
            "pixels": client.embed_pixels(self._reference.pixels[row : row + 1]),
            "encoded": client.embed_files([self._reference.files[row]]),
        }
        for kind, answer in answers.items():
            if answer.shape != (1, self._reference.embeddings.shape[1]):
                return f"embedding of {kind} has the shape {list(answer.shape)}"
            found = np.array(self._reference.embeddings)
            found[row] = answer[0]
            agreement = compare(found, self._reference.embeddings, self._bounds[kind])
            if not agreement.holds:
                return f"embedding of {kind} is not that of the FP32 PyTorch reference: {agreement}"
        return None
