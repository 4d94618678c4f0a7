"""How long the events of a PBX are kept, and who sees whole phone numbers."""

from callevents import audit
from callevents.audit.targets import of_pbx
from callevents.db.models import Pbx
from callevents.errors import InvalidError

MAX_DAYS = 3650


def set_data_protection(pbx: Pbx, *, retention_days: int | None, hides_numbers: bool) -> None:
    """Set the retention, None for that of the settings, and whether only admins see numbers.

    Raises InvalidError about `retention_days`.
    """
    if retention_days is not None and not 1 <= retention_days <= MAX_DAYS:
        raise InvalidError.of(
            "retention_days",
            f"Enter a whole number from 1 to {MAX_DAYS:,}, or nothing for the general retention.",
        )
    before = _values(pbx)
    pbx.retention_days = retention_days
    pbx.hides_numbers = hides_numbers
    action = audit.Action.PBX_DATA_PROTECTION_CHANGED
    audit.record_change(action, of_pbx(pbx), before, _values(pbx))


def _values(pbx: Pbx) -> dict[str, object]:
    return {"retention_days": pbx.retention_days, "hides_numbers": pbx.hides_numbers}


def read_days(text: str) -> int | None:
    """Return the days that a text names, None if it is empty, 0 if it is not a whole number."""
    text = text.strip()
    is_number = text.isascii() and text.isdigit() and len(text) <= len(str(MAX_DAYS))
    return None if not text else int(text) if is_number else 0
