"""The time zone that the dialog suggests for the hours of hooks: the one that others use."""

from collections.abc import Iterable
from functools import cache

import phonenumbers
from phonenumbers import timezone

from callevents.conditions import Conditions
from callevents.conditions.hours import list_zones
from callevents.db.models import Hook, Pbx, Receiver
from callevents.delivery.request.receiver import read_values
from callevents.extensions import db

#: The name of a receiver's value, as recipes have it.
_ZONE = "zone"


def suggest_zone(pbx: Pbx, receiver: Receiver | None = None) -> str:
    """Return the receiver's time zone, else that of the PBX's country; empty if none is known."""
    for value in read_values(receiver.values) if receiver else ():
        if value.name == _ZONE and not value.is_secret and value.value in list_zones():
            return value.value
    return _zone_of(pbx.country)


def suggest_zone_of(hooks: Iterable[Hook]) -> str:
    """Return the time zone of all these hooks; empty if they differ, or none is known."""
    found = {(hook.pbx_id, hook.receiver_id, _stored(hook)): hook for hook in hooks}
    zones = {
        stored or suggest_zone(hook.pbx, _find(receiver_id))
        for (_pbx_id, receiver_id, stored), hook in found.items()
    }
    return zones.pop() if len(zones) == 1 else ""


def _stored(hook: Hook) -> str:
    hours = Conditions.read(hook.conditions).hours
    return hours.zone if hours else ""


def _find(receiver_id: int | None) -> Receiver | None:
    return None if receiver_id is None else db.session.get(Receiver, receiver_id)


@cache
def _zone_of(country: str) -> str:
    """Return the country's time zone; empty if it has several, or is not known."""
    if not country:
        return ""
    code = phonenumbers.country_code_for_region(country)
    whole = phonenumbers.PhoneNumber(country_code=code, national_number=0)
    zones = timezone.time_zones_for_geographical_number(whole)
    return zones[0] if len(zones) == 1 and zones[0] in list_zones() else ""
