"""Bases of the models of requests and answers, and types that they share."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    Strict,
    WithJsonSchema,
)

MAX_LIMIT = 200
DEFAULT_LIMIT = 50

_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_BOOLEANS = {"true": True, "false": False}

T = TypeVar("T", bound="Answer")


class Answer(BaseModel):
    """A JSON object that we return. Later versions may add fields."""

    model_config = ConfigDict(frozen=True, from_attributes=False)


class Body(BaseModel):
    """A JSON object that a client sends. Unknown fields are errors, and so are other types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def _without_defaults(schema: dict[str, Any]) -> None:
    for one in schema.get("properties", {}).values():
        one.pop("default", None)


class Changes(Body):
    """A merge patch (RFC 7396): fields that are left out stay as they are.

    Defaults of its fields only stand for what is left out, so the description has none.
    """

    model_config = ConfigDict(json_schema_extra=_without_defaults)

    def given(self) -> dict[str, Any]:
        """Return the fields that the client has sent, by name."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class Query(BaseModel):
    """The query parameters of a request. Unknown ones are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NoQuery(Query):
    """No query parameters."""


class Page(Answer, Generic[T]):
    """A page of a list, newest first."""

    data: Sequence[T]
    next_cursor: str | None = Field(
        None, description="Pass it as `cursor` to get the next page; null: this is the last one."
    )

    @classmethod
    def model_parametrized_name(cls, params: tuple[Any, ...]) -> str:
        """Return the name, such as HookPage, which is the title of the schema too."""
        return f"{params[0].__name__}Page"


def _read_integer(value: Any) -> Any:
    # An invalid one stays a text, which is no integer.
    return int(value) if isinstance(value, str) and _INTEGER.fullmatch(value) else _refuse(value)


def _read_boolean(value: Any) -> Any:
    return _BOOLEANS[value] if value in _BOOLEANS else _refuse(value)


def _refuse(value: Any) -> Any:
    """Return the value if it is a default, or what no model takes."""
    return [] if isinstance(value, str) else value


def _check_moment(value: Any) -> Any:
    is_moment = isinstance(value, str) and _MOMENT.fullmatch(value)
    if not is_moment and not isinstance(value, datetime):
        raise ValueError("Must be a moment with an offset, such as 2026-03-01T09:30:00Z.")
    return value


def _to_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("This moment is not in the years 1 to 9999 of UTC.") from None


def format_moment(value: datetime) -> str:
    """Return the moment in UTC with milliseconds, such as 2026-03-01T09:30:00.000Z."""
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def optional(description: str, *, max_length: int | None = None) -> Any:
    """Return a field that is None if it is left out, and that has no default in the description.

    A default of null would let generated clients send what their users leave out.
    """
    return Field(default_factory=lambda: None, description=description, max_length=max_length)


#: An integer in a query.
QueryInteger = Annotated[int, BeforeValidator(_read_integer)]
#: `true` or `false` in a query.
QueryBoolean = Annotated[bool, BeforeValidator(_read_boolean)]
#: A moment in an answer.
Moment = Annotated[
    datetime,
    PlainSerializer(format_moment, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
#: A moment that a client sends, with an offset.
GivenMoment = Annotated[
    # The text has been checked: strict models would take a `datetime` only.
    AwareDatetime,
    Strict(strict=False),
    BeforeValidator(_check_moment),
    AfterValidator(_to_utc),
]


class ListQuery(Query):
    """The query parameters of a list."""

    limit: QueryInteger = Field(
        DEFAULT_LIMIT, ge=1, le=MAX_LIMIT, description="The number of objects to return at most."
    )
    cursor: str = Field(
        "",
        max_length=500,
        description="`next_cursor` of the page before; leave it out for the first page.",
    )

    def filter_values(self) -> dict[str, Any]:
        """Return all other parameters: what a cursor is bound to."""
        return self.model_dump(mode="json", exclude={"limit", "cursor"})
