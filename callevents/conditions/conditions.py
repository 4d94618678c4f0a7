"""The conditions of a hook, and how they are stored."""

import json
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any


@dataclass(frozen=True)
class Hours:
    """Hours of a week, in a time zone: on these days from `start` until `end`, both as 'HH:MM'.

    An `end` that is not after `start` is on the next day.
    """

    #: Days as in ISO 8601: 1 is Monday.
    days: tuple[int, ...] = ()
    start: str = "00:00"
    end: str = "00:00"
    zone: str = "UTC"
    #: True if calls outside these hours are meant.
    is_outside: bool = False


@dataclass(frozen=True)
class Conditions:
    """Conditions that a call event must meet, all of them; without values, every event does."""

    #: Of 'in' and 'out'.
    directions: tuple[str, ...] = ()
    #: 'internal' or 'external'; empty: both.
    party: str = ""
    #: Hangups only: True for answered calls, False for those that nobody answered.
    answered: bool | None = None
    #: Hangups only: from answer to hangup.
    min_seconds: int = 0
    hours: Hours | None = None
    #: Of the other party: whole numbers, or beginnings with a `*` at the end.
    numbers: tuple[str, ...] = ()
    #: The same of the number that was called from outside.
    dids: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()

    @classmethod
    def read(cls, stored: str) -> "Conditions":
        """Return stored conditions."""
        return _read(stored)

    def write(self) -> str:
        """Return what is stored; empty without conditions."""
        values = {name: value for name, value in asdict(self).items() if value != _DEFAULT[name]}
        return json.dumps(values, ensure_ascii=False) if values else ""

    def __bool__(self) -> bool:
        """Return True if there is any condition."""
        return self != _NONE


_NONE = Conditions()
_DEFAULT = asdict(_NONE)


# Each call event reads them, for each of its hooks.
@lru_cache(maxsize=1024)
def _read(stored: str) -> Conditions:
    if not stored:
        return _NONE
    values: dict[str, Any] = json.loads(stored)
    hours = values.pop("hours", None)
    lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
    return Conditions(**{**values, **lists}, hours=_read_hours(hours) if hours else None)


def _read_hours(values: dict[str, Any]) -> Hours:
    return Hours(**{**values, "days": tuple(values["days"])})
