"""The base of the parts of a document."""

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """A part of the document. Unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
