"""Changes of second factors, in the history."""

from callevents import audit
from callevents.audit.targets import of_user
from callevents.db.models import User


def record_change(user: User, change: str) -> None:
    """Record what has changed, in words."""
    audit.record(audit.Action.SECOND_FACTOR_CHANGED, of_user(user), after={"change": change})
