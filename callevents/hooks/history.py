"""Entries of the history about hooks that no change of them makes."""

from callevents import audit
from callevents.audit.targets import of_hook
from callevents.db.models import Hook
from callevents.delivery.request.masking import mask_url


def has_secret_url(hook: Hook) -> bool:
    """Return True if the hook's URL contains a secret."""
    return mask_url(hook.url) != hook.url


def record_shown_url(hook: Hook) -> None:
    """Record that the hook's URL is shown with its secret, if it has one."""
    if has_secret_url(hook):
        values = {"shown": "the URL, with its secret"}
        audit.record(audit.Action.SECRET_REVEALED, of_hook(hook, hook.extension), after=values)
