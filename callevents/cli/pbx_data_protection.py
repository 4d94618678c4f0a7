"""The data protection of a PBX, as commands set and print it."""

from callevents.db.models import Pbx
from callevents.pbxs.data_protection import read_days, set_data_protection


def change_data_protection(
    pbx: Pbx, retention_days: str | None, hides_numbers: bool | None
) -> None:
    """Set what is given, `none` for the general retention; raises InvalidError."""
    days = pbx.retention_days
    if retention_days is not None:
        text = retention_days.strip().lower()
        days = None if text == "none" else read_days(text) or 0
    hides = pbx.hides_numbers if hides_numbers is None else hides_numbers
    set_data_protection(pbx, retention_days=days, hides_numbers=hides)


def describe_data_protection(pbx: Pbx) -> str:
    """Return it in words."""
    days = f"{pbx.retention_days} days" if pbx.retention_days else "as long as those of all PBXs"
    who = "admins only" if pbx.hides_numbers else "all its users"
    return f"Call events are kept {days}. Whole phone numbers are shown to {who}."
