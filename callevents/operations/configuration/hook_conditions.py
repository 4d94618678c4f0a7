"""The conditions of a request in the document."""

from dataclasses import asdict
from typing import Any

from pydantic import Field

from callevents.conditions import Conditions, Hours
from callevents.operations.configuration.part import Part


class ConfiguredHours(Part):
    """Hours of a week in a time zone."""

    days: list[int] = Field(description="1 is Monday, 7 is Sunday.")
    start: str
    end: str
    zone: str
    is_outside: bool = Field(False, description="Whether events outside these hours are meant.")


class ConfiguredConditions(Part):
    """What must be true of an event for a request."""

    directions: list[str] = Field(default_factory=list)
    party: str = ""
    answered: bool | None = None
    min_seconds: int = 0
    hours: ConfiguredHours | None = None
    numbers: list[str] = Field(default_factory=list)
    dids: list[str] = Field(default_factory=list)
    queues: list[str] = Field(default_factory=list)

    def to_domain(self) -> Conditions:
        """Return the conditions for the domain, which checks them."""
        hours = self.hours
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in self.model_dump(exclude={"hours"}).items()
        }
        if hours is not None:
            times = (hours.start, hours.end, hours.zone, hours.is_outside)
            values["hours"] = Hours(tuple(hours.days), *times)
        return Conditions(**values)


def describe_conditions(conditions: Conditions) -> ConfiguredConditions | None:
    """Return the conditions as the document has them, None without any."""
    if not conditions:
        return None
    # Not checked: what is stored stays exportable when a rule changes.
    values = asdict(conditions)
    values |= {name: list(value) for name, value in values.items() if isinstance(value, tuple)}
    if hours := values["hours"]:
        hours["days"] = list(hours["days"])
        values["hours"] = ConfiguredHours.model_construct(**hours)
    return ConfiguredConditions.model_construct(**values)
