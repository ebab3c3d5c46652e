"""The raw numbers of one window of the measurement."""

from pydantic import BaseModel, ConfigDict

from bench.scenarios import Scenario
from bench.splits import Split


class Window(BaseModel):
    """One window: one scenario on one backend in one round (counted from 1).

    Attributes:
        latencies_ms: of the requests that succeeded, in the order they were sent.
        failures: requests that failed; `errors` has some of their messages.
        elapsed_s: from the first request's start to the last one's end.
        building_s: the part of it that the client spent on building requests and checking answers.
        payload_bytes: bytes of tensors sent.
        first_photo: position in the rotation of photos at which it began; the same for all backends of a round.
        split: the server's own account; None where it has none.
        invalid: why the window does not count, such as a restart of the server; None when it does.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    round: int
    scenario: Scenario
    backend: str
    started: str
    latencies_ms: tuple[float, ...]
    failures: int
    errors: tuple[str, ...]
    elapsed_s: float
    building_s: float
    payload_bytes: int
    first_photo: int
    split: Split | None
    invalid: str | None

    @property
    def images_per_s(self) -> float:
        """Throughput: images whose embeddings came back, per second."""
        return len(self.latencies_ms) * self.scenario.batch / self.elapsed_s

    @property
    def clean(self) -> bool:
        """True when nothing failed in it and it counts."""
        return not self.failures and self.invalid is None and bool(self.latencies_ms)
