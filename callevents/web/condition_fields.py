"""The fields of a hook's conditions in its dialog."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from wtforms import RadioField, SelectMultipleField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than its types

from callevents.conditions import Conditions, Hours
from callevents.conditions.hours import list_zones
from callevents.delivery.request.option_texts import format_list, parse_list
from callevents.errors import InvalidError
from callevents.web.forms import BaseForm

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
ANSWERED = {"": None, "yes": True, "no": False}
#: The names of countries' and other old zones are left out.
_REGIONS = (
    *("Africa/", "America/", "Antarctica/", "Asia/", "Atlantic/"),
    *("Australia/", "Europe/", "Indian/", "Pacific/"),
)
LISTS = ("numbers", "dids", "queues")

ANY = SelectChoice("", "Any")
DIRECTIONS = (ANY, SelectChoice("in", "Incoming"), SelectChoice("out", "Outgoing"))
PARTIES = (ANY, SelectChoice("external", "External"), SelectChoice("internal", "Internal"))
OUTCOMES = (ANY, SelectChoice("yes", "Answered"), SelectChoice("no", "Not answered"))

#: Fields of errors about hours, and of the form.
_HOURS = {
    "conditions/hours/days": "days",
    "conditions/hours/start": "hours_start",
    "conditions/hours/end": "hours_end",
    "conditions/hours/zone": "zone",
}
CONDITION_FIELDS = (
    *("directions", "party", "answered", "min_seconds"),
    *("days", "hours_start", "hours_end", "zone", "hours_meaning"),
    *LISTS,
)


class HoursAndLists(BaseForm):
    """The conditions that are entered as text, and the hours."""

    min_seconds = StringField("Minimum seconds of conversation")
    days = SelectMultipleField(
        "Days",
        choices=[SelectChoice(number, name) for number, name in enumerate(DAYS, start=1)],
        coerce=int,
    )
    hours_start = StringField("From")
    hours_end = StringField("Until")
    zone = StringField("Time zone")
    numbers = TextAreaField("Numbers of the other party")
    dids = TextAreaField("Called numbers (DIDs)")
    queues = TextAreaField("Queues")

    @property
    def zones(self) -> Sequence[str]:
        """The time zones to suggest."""
        return _suggest_zones()

    def add_errors(self, error: InvalidError) -> None:
        """Show each message next to its field; those of conditions are about paths."""
        names = {f"conditions/{name}": name for name in CONDITION_FIELDS} | _HOURS
        found = error.errors.items()
        super().add_errors(InvalidError({names.get(name, name): texts for name, texts in found}))

    def _read_seconds(self) -> int:
        text = (self.min_seconds.data or "").strip()
        if not text:
            return 0
        if not (text.isascii() and text.isdigit() and len(text) <= 6):
            raise InvalidError.of("min_seconds", "Enter whole seconds, such as 10.")
        return int(text)

    def _read_hours(self, *, is_outside: bool) -> Hours | None:
        days = tuple(sorted(set(self.days.data or ())))
        start, end = (self.hours_start.data or "").strip(), (self.hours_end.data or "").strip()
        if not (days or start or end):
            return None
        if not days:
            raise InvalidError.of("days", "Choose the days too.")
        zone = (self.zone.data or "").strip()
        if not zone:
            raise InvalidError.of("zone", "Enter a time zone, such as Europe/Bucharest.")
        return Hours(days, start or "00:00", end or "00:00", zone, is_outside)


class ConditionFields(HoursAndLists):
    """Conditions that a call must meet. Empty fields are no conditions."""

    #: Both directions, if these are stored: the field shows them as any.
    kept_directions: tuple[str, ...] = ()

    directions = RadioField("Direction", choices=list(DIRECTIONS), default="")
    party = RadioField("Other party", choices=list(PARTIES), default="")
    answered = RadioField("Outcome", choices=list(OUTCOMES), default="")
    hours_meaning = RadioField(
        "Send",
        choices=[
            SelectChoice("within", "Within these hours"),
            SelectChoice("outside", "Outside them"),
        ],
        default="within",
    )

    def conditions(self) -> Conditions:
        """Return the conditions; raises ValueError for an invalid choice.

        Raises InvalidError about the first field that cannot be read.
        """
        if (self.answered.data or "") not in ANSWERED:
            raise ValueError(self.answered.data)
        directions = (self.directions.data,) if self.directions.data else self.kept_directions
        return Conditions(
            directions=directions,
            party=self.party.data or "",
            answered=ANSWERED[self.answered.data or ""],
            min_seconds=self._read_seconds(),
            hours=self._read_hours(is_outside=self.hours_meaning.data == "outside"),
            **{name: parse_list(self[name].data or "") for name in LISTS},
        )

    @property
    def has_conditions(self) -> bool:
        """True if there are conditions, or errors in their fields."""
        if any(self[name].errors for name in CONDITION_FIELDS):
            return True
        try:
            return bool(self.conditions())
        except (ValueError, InvalidError):
            return True


def condition_values(conditions: Conditions) -> Mapping[str, Any]:
    """Return the values of the fields for stored conditions."""
    hours = conditions.hours
    answered = {value: name for name, value in ANSWERED.items()}
    values: dict[str, Any] = {
        # Both directions are any direction.
        "directions": conditions.directions[0] if len(conditions.directions) == 1 else "",
        "party": conditions.party,
        "answered": answered[conditions.answered],
        "min_seconds": str(conditions.min_seconds or ""),
        **{name: format_list(getattr(conditions, name)) for name in LISTS},
    }
    if hours is not None:
        values |= {
            "days": list(hours.days),
            "hours_start": hours.start,
            "hours_end": hours.end,
            "zone": hours.zone,
            "hours_meaning": "outside" if hours.is_outside else "within",
        }
    return values


@cache
def _suggest_zones() -> Sequence[str]:
    return sorted(name for name in list_zones() if name.startswith(_REGIONS))
