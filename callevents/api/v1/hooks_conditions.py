"""The conditions of hooks in answers of the API."""

from dataclasses import asdict

from pydantic import Field

from callevents.api.v1.models import Answer
from callevents.conditions import Conditions, document
from callevents.conditions.document import Day, Direction, Party


class HookHours(Answer):
    """Hours of a week in a time zone."""

    days: list[Day] = Field(description=document.DAYS_TEXT)
    start: str = Field(description=document.START_TEXT)
    end: str = Field(description=document.END_TEXT)
    zone: str = Field(description=document.ZONE_TEXT)
    is_outside: bool = Field(description=document.OUTSIDE_TEXT)


class HookConditions(Answer):
    """Conditions; an event must meet all of them."""

    directions: list[Direction] = Field(description=document.DIRECTIONS_TEXT)
    party: Party | None = Field(description=document.PARTY_TEXT)
    answered: bool | None = Field(description=document.ANSWERED_TEXT)
    min_seconds: int = Field(description=document.SECONDS_TEXT)
    hours: HookHours | None
    numbers: list[str] = Field(description=document.NUMBERS_TEXT)
    dids: list[str] = Field(description=document.DIDS_TEXT)
    queues: list[str] = Field(description=document.QUEUES_TEXT)


def show_conditions(conditions: Conditions) -> HookConditions | None:
    """Return the conditions as the API shows them, None without any."""
    if not conditions:
        return None
    return HookConditions.model_validate(asdict(conditions) | {"party": conditions.party or None})
