"""Entries of the history about hooks that no change of them makes."""

from collections.abc import Iterable, Sequence
from datetime import timedelta

from callevents import audit
from callevents.audit.actions import ObjectKind
from callevents.audit.queries import find_last_times
from callevents.audit.targets import of_hook
from callevents.db.models import Hook, utc_now
from callevents.delivery.request.masking import mask_url

#: A program that reads the same URLs again and again is recorded no more often than this.
SHOWN_INTERVAL = timedelta(days=1)


def has_secret_url(hook: Hook) -> bool:
    """Return True if the hook's URL contains a secret."""
    return mask_url(hook.url) != hook.url


def record_shown_url(hook: Hook) -> None:
    """Record that the hook's URL is shown with its secret, if it has one."""
    if has_secret_url(hook):
        values = {"shown": "the URL, with its secret"}
        audit.record(audit.Action.SECRET_REVEALED, of_hook(hook, hook.extension), after=values)


def find_newly_shown(hooks: Iterable[Hook]) -> Sequence[Hook]:
    """Return the hooks whose URL has a secret that the program has not seen for SHOWN_INTERVAL.

    It has not seen a URL that was changed since, either.
    """
    secret = [hook for hook in hooks if has_secret_url(hook)]
    if not secret:
        return []
    seen = find_last_times(
        audit.Action.SECRET_REVEALED,
        ObjectKind.HOOK,
        [hook.event_id for hook in secret],
        since=utc_now() - SHOWN_INTERVAL,
    )
    return [
        hook
        for hook in secret
        if hook.event_id not in seen or seen[hook.event_id] < hook.modified_at
    ]


def record_shown_urls(hooks: Iterable[Hook]) -> None:
    """Record that a program is shown the hooks' URLs, unless it has seen them already."""
    for hook in find_newly_shown(hooks):
        record_shown_url(hook)
