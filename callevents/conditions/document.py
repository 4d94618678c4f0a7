"""Conditions as others write them: bodies of the API, exported configurations, and recipes."""

from dataclasses import asdict
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from callevents.conditions.conditions import Conditions, Hours

Direction = Literal["in", "out"]
Party = Literal["internal", "external"]
#: Days as in ISO 8601.
Day = Annotated[int, Field(ge=1, le=7)]

DAYS_TEXT = "Days of the week: 1 is Monday, 7 is Sunday."
START_TEXT = "The time at which they begin, such as `09:00`."
END_TEXT = (
    "The time at which they end, such as `17:00`. If it is not after `start`: on the next day."
)
ZONE_TEXT = "The time zone, such as `Europe/Bucharest`."
OUTSIDE_TEXT = "True: events outside these hours are meant."
DIRECTIONS_TEXT = "`in`, `out` or both; empty: both."
PARTY_TEXT = (
    "`internal`: both parties are extensions of the PBX; `external`: one is not. null: both."
)
ANSWERED_TEXT = "Hangups only: calls that were answered, or those that were not. null: both."
SECONDS_TEXT = "Hangups only: the minimum duration of the conversation, in seconds."
NUMBERS_TEXT = "Numbers of the other party; a `*` at the end stands for any further digits."
DIDS_TEXT = "The same for the number that was called from outside."
QUEUES_TEXT = "Names of queues."


def _optional(description: str) -> Any:
    """Return a field that may be left out, and that has no default in its description."""
    return Field(default_factory=lambda: None, description=description)


class _Part(BaseModel):
    """Unknown fields are errors, and so are other types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class GivenHours(_Part):
    """Hours of a week in a time zone."""

    days: list[Day] = Field(min_length=1, max_length=7, description=DAYS_TEXT)
    start: str = Field(max_length=5, description=START_TEXT)
    end: str = Field(max_length=5, description=END_TEXT)
    zone: str = Field(max_length=100, description=ZONE_TEXT)
    is_outside: bool = Field(False, description=f"{OUTSIDE_TEXT} Default: false.")


class GivenConditions(_Part):
    """Conditions; an event must meet all of them. null is no condition."""

    directions: list[Direction] | None = _optional(DIRECTIONS_TEXT)
    party: Party | None = _optional(PARTY_TEXT)
    answered: bool | None = _optional(ANSWERED_TEXT)
    min_seconds: int | None = _optional(f"{SECONDS_TEXT} Default: 0.")
    hours: GivenHours | None = _optional("Default: at any time.")
    numbers: list[str] | None = _optional(NUMBERS_TEXT)
    dids: list[str] | None = _optional(DIDS_TEXT)
    queues: list[str] | None = _optional(QUEUES_TEXT)


def read_conditions(given: GivenConditions | None) -> Conditions:
    """Return the conditions for the domain, which checks what they mean."""
    if given is None:
        return Conditions()
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in given.model_dump(exclude={"hours"}, exclude_none=True).items()
    }
    hours = given.hours
    if hours is not None:
        times = (hours.start, hours.end, hours.zone, hours.is_outside)
        values["hours"] = Hours(tuple(hours.days), *times)
    return Conditions(**values)


def describe_conditions(conditions: Conditions) -> GivenConditions | None:
    """Return the conditions as a document has them, None without any."""
    if not conditions:
        return None
    # Not checked: what is stored stays exportable when a rule changes.
    values = asdict(conditions) | {"party": conditions.party or None}
    values |= {name: list(value) for name, value in values.items() if isinstance(value, tuple)}
    if hours := values["hours"]:
        hours["days"] = list(hours["days"])
        values["hours"] = GivenHours.model_construct(**hours)
    return GivenConditions.model_construct(**values)
