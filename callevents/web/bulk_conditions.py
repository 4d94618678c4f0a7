"""The form that sets conditions of many requests at once."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from wtforms import SelectField, SelectMultipleField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than its types

from callevents.conditions import Hours
from callevents.db.models import Hook
from callevents.delivery.request.option_texts import parse_list
from callevents.errors import InvalidError
from callevents.hooks.bulk.conditions import SetConditions
from callevents.hooks.bulk.steps import Change
from callevents.hooks.time_zone import suggest_zone_of
from callevents.web.bulk_forms import BulkForm
from callevents.web.condition_fields import (
    ANSWERED,
    DIRECTIONS,
    LISTS,
    OUTCOMES,
    PARTIES,
    HoursAndLists,
)

KEEP = "keep"
_KEEP = SelectChoice(KEEP, "Leave as it is")
#: The conditions that are chosen from a list, and what they are for a choice.
_CHOSEN: Mapping[str, Callable[[str], Any]] = {
    "directions": lambda choice: (choice,) if choice else (),
    "party": lambda choice: choice,
    "answered": lambda choice: ANSWERED[choice],
}


class BulkConditionsForm(HoursAndLists, BulkForm):
    """Conditions to set. What is left as it is, or empty, stays as each request has it."""

    directions = SelectField("Direction", choices=[_KEEP, *DIRECTIONS], default=KEEP)
    party = SelectField("Other party", choices=[_KEEP, *PARTIES], default=KEEP)
    answered = SelectField("Outcome", choices=[_KEEP, *OUTCOMES], default=KEEP)
    hours_meaning = SelectField(
        "Days and hours",
        choices=[
            _KEEP,
            SelectChoice("", "At any time"),
            SelectChoice("within", "Within these hours"),
            SelectChoice("outside", "Outside these hours"),
        ],
        default=KEEP,
    )
    removed = SelectMultipleField(
        "Remove the condition on",
        choices=[
            SelectChoice("numbers", "Numbers"),
            SelectChoice("dids", "Called numbers"),
            SelectChoice("queues", "Queues"),
        ],
    )

    def fill(self, hooks: Sequence[Hook]) -> None:
        """Suggest the time zone."""
        if self.zone.data is None:
            self.zone.data = suggest_zone_of(hooks)

    def change(self, _hooks: Sequence[Hook]) -> Change:
        """Return the change; raises InvalidError."""
        values: dict[str, Any] = {}
        for name, read in _CHOSEN.items():
            if (choice := self._choice(name)) != KEEP:
                values[name] = read(choice)
        if (self.min_seconds.data or "").strip():
            values["min_seconds"] = self._read_seconds()
        if (meaning := self._choice("hours_meaning")) != KEEP:
            values["hours"] = self._read_given_hours(meaning) if meaning else None
        elif self.days.data or self.hours_start.data or self.hours_end.data:
            raise InvalidError.of("hours_meaning", "Choose within or outside these hours.")
        for name in LISTS:
            listed = parse_list(self[name].data or "")
            if listed or name in (self.removed.data or ()):
                values[name] = listed
        return SetConditions(values)

    def _choice(self, name: str) -> str:
        """Return what is chosen; raises InvalidError if it is not offered."""
        field: Any = self[name]
        choice: str = field.data or ""
        if choice not in {offered.value for offered in field.choices}:
            raise InvalidError.of(name, "Choose one of these.")
        return choice

    def _read_given_hours(self, meaning: str) -> Hours:
        hours = self._read_hours(is_outside=meaning == "outside")
        if hours is None:
            raise InvalidError.of("days", "Choose the days.")
        return hours
