"""What errors look like in answers."""

from pydantic import Field

from callevents.api.v1.models import Answer


class ProblemField(Answer):
    """What is wrong with one value."""

    pointer: str = Field(
        description="A JSON pointer into the body, such as `#/url`; or `?name` for a parameter."
    )
    detail: str = Field(description="What is wrong with it, as a sentence.")


class Problem(Answer):
    """An error (RFC 9457). It never repeats what you sent."""

    type: str = Field(
        description="The kind of the error: the address of its explanation. It never changes.",
        json_schema_extra={"format": "uri-reference"},
    )
    title: str = Field(description="A sentence that is the same for all errors of the kind.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What went wrong here, and what to do, for people.")
