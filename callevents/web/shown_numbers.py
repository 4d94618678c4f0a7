"""Hides phone numbers on pages, if the PBX wants that for the user."""

from flask import Flask, g, url_for

from callevents.db.models import CallEvent, Pbx
from callevents.pbxs.shown_numbers import ShownNumbers
from callevents.security.hidden_numbers import hide_numbers
from callevents.web.access import may


def init_app(app: Flask) -> None:
    """Register the filters."""
    for text_filter in (shown_to_user, shown_extension, shown_error_of_receiver, url_of_call):
        app.jinja_env.filters[text_filter.__name__] = text_filter
    app.jinja_env.globals["sees_numbers"] = sees_numbers


def sees_numbers(pbx: Pbx) -> bool:
    """Return True if the user may see whole phone numbers of the PBX."""
    return _numbers_of(pbx).are_whole


def shown_to_user(text: str, pbx: Pbx, event: CallEvent | None = None) -> str:
    """Return the text, with phone numbers hidden if the PBX wants that for this user.

    `event`: that from which the text was made.
    """
    return _numbers_of(pbx).in_text(text, event)


def shown_extension(number: str, pbx: Pbx) -> str:
    """Return the number of a call's extension: hidden, as others, unless it is one of the PBX."""
    return _numbers_of(pbx).of_extension(number)


def shown_error_of_receiver(error: str) -> str:
    """Return a receiver's error, which may name a number of a call of any PBX."""
    return error if may("manage") else hide_numbers(error)


def url_of_call(event: CallEvent, pbx: Pbx) -> str:
    """Return the URL of the event's call. A call ID with a number is not in it."""
    if shown_to_user(event.call_id, pbx) == event.call_id:
        return url_for("calls.show", slug=pbx.slug, id=event.call_id)
    return url_for("calls.show", slug=pbx.slug, event=event.id)


def _numbers_of(pbx: Pbx) -> ShownNumbers:
    shown: dict[int, ShownNumbers] = g.setdefault("shown_numbers", {})
    if pbx.id not in shown:
        shown[pbx.id] = ShownNumbers(pbx, may("manage", pbx))
    return shown[pbx.id]
