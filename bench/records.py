"""The base of everything that a result is made of."""

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """Immutable, and strict about its fields, so that a result of another version is noticed."""

    model_config = ConfigDict(frozen=True, extra="forbid")
