"""The conditions of hooks in the API."""

from dataclasses import asdict
from typing import Annotated, Any, Literal

from pydantic import Field

from callevents.api.v1.models import Answer, Body, optional
from callevents.conditions import Conditions, Hours

Direction = Literal["in", "out"]
Party = Literal["internal", "external"]
#: Days as in ISO 8601.
Day = Annotated[int, Field(ge=1, le=7)]

_DAYS = "Days of the week: 1 is Monday, 7 is Sunday."
_END = "The time at which they end, such as `17:00`. If it is not after `start`: on the next day."
_OUTSIDE = "True: events outside these hours are meant."
_DIRECTIONS = "Of `in` and `out`; empty: both."
_PARTY = "`internal`: both parties are extensions of the PBX; `external`: one is not. null: both."
_ANSWERED = "Hangups only: calls that were answered, or those that were not. null: both."
_SECONDS = "Hangups only: the seconds of conversation that the call had at least."
_NUMBERS = "Numbers of the other party; with a `*` at the end all that begin like that."
_DIDS = "The same for the number that was called from outside."
_QUEUES = "Names of queues."


class HookHours(Answer):
    """Hours of a week in a time zone."""

    days: list[Day] = Field(description=_DAYS)
    start: str = Field(description="The time at which they begin, such as `09:00`.")
    end: str = Field(description=_END)
    zone: str = Field(description="The time zone, such as `Europe/Bucharest`.")
    is_outside: bool = Field(description=_OUTSIDE)


class HookConditions(Answer):
    """What must be true of an event, all of it."""

    directions: list[Direction] = Field(description=_DIRECTIONS)
    party: Party | None = Field(description=_PARTY)
    answered: bool | None = Field(description=_ANSWERED)
    min_seconds: int = Field(description=_SECONDS)
    hours: HookHours | None
    numbers: list[str] = Field(description=_NUMBERS)
    dids: list[str] = Field(description=_DIDS)
    queues: list[str] = Field(description=_QUEUES)


class NewHookHours(Body):
    """Hours of a week in a time zone."""

    days: list[Day] = Field(min_length=1, max_length=7, description=_DAYS)
    start: str = Field(max_length=5, description="The time at which they begin, such as `09:00`.")
    end: str = Field(max_length=5, description=_END)
    zone: str = Field(max_length=100, description="The time zone, such as `Europe/Bucharest`.")
    is_outside: bool = Field(False, description=f"{_OUTSIDE} Default: false.")


class NewHookConditions(Body):
    """What must be true of an event, all of it. null is no condition."""

    directions: list[Direction] | None = optional(_DIRECTIONS)
    party: Party | None = optional(_PARTY)
    answered: bool | None = optional(_ANSWERED)
    min_seconds: int | None = optional(f"{_SECONDS} Default: 0.")
    hours: NewHookHours | None = optional("Default: at any time.")
    numbers: list[str] | None = optional(_NUMBERS)
    dids: list[str] | None = optional(_DIDS)
    queues: list[str] | None = optional(_QUEUES)


def show_conditions(conditions: Conditions) -> HookConditions | None:
    """Return the conditions as the API shows them, None without any."""
    if not conditions:
        return None
    return HookConditions.model_validate(asdict(conditions) | {"party": conditions.party or None})


def read_conditions(given: NewHookConditions | None) -> Conditions:
    """Return the conditions for the domain, which checks them."""
    if given is None:
        return Conditions()
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in given.model_dump(exclude={"hours"}, exclude_none=True).items()
    }
    hours = given.hours
    if hours is not None:
        values["hours"] = Hours(
            tuple(hours.days), hours.start, hours.end, hours.zone, hours.is_outside
        )
    return Conditions(**values)
