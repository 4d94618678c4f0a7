"""Texts about deliveries that wait, and the button that undoes a removal."""

from flask import url_for

from callevents.db.models import Pbx
from callevents.delivery.hold import describe_waiting
from callevents.delivery.removal import Removed


def undo_action(
    pbx: Pbx, removed: Removed, place: str | None = None, receiver: str | None = None
) -> dict[str, str]:
    """Return the button for a toast.

    `place`, or `receiver` with its short name: the page to return to without htmx.
    """
    if not removed.id:
        return {}
    url = url_for(
        "removals.undo", slug=pbx.slug, removal_id=removed.id, place=place, receiver=receiver
    )
    return {"Undo": url}


def describe_end(removed: Removed) -> str:
    """Return the sentence about the deliveries that end with a removal; empty if none waits."""
    whom = "them" if removed.hooks > 1 else "it"
    verb = "ends" if removed.waiting == 1 else "end"
    return f" {describe_waiting(removed.waiting)} {verb} with {whom}." if removed.waiting else ""


def describe_hold(is_active: bool, count: int) -> str:
    """Return the sentence about the deliveries of a hook just disabled or enabled, if any wait."""
    if not count:
        return ""
    what = describe_waiting(count)
    if not is_active:
        return f" {what} held."
    return f" {what} {'goes' if count == 1 else 'go'} on."
