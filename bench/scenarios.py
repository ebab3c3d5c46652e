"""What is measured: each scenario is one kind of request, sent one at a time (closed loop, one in flight)."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

Input = Literal["encoded", "pixels"]

TITLES: dict[Input, str] = {"encoded": "encoded photos", "pixels": "pixels"}


class Scenario(BaseModel):
    """One kind of request.

    Attributes:
        input: `encoded` sends image files as they are, `pixels` sends UINT8 `[N, 3, 224, 224]`.
        batch: images per request, N.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: Input
    batch: int

    @property
    def name(self) -> str:
        """Short name, such as `encoded-b8`."""
        return f"{self.input}-b{self.batch}"

    @property
    def title(self) -> str:
        """Name for people."""
        return f"{TITLES[self.input]}, batch {self.batch}"


BATCHES = (1, 8)


def scenarios(max_batch_size: int) -> tuple[Scenario, ...]:
    """Return the scenarios that a server taking up to `max_batch_size` images per request can be asked."""
    inputs: tuple[Input, ...] = ("encoded", "pixels")
    return tuple(Scenario(input=kind, batch=batch) for kind in inputs for batch in BATCHES if batch <= max_batch_size)
