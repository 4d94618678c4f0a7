"""Hides phone numbers on pages, if the PBX wants that for the user."""

from flask import Flask, g, url_for
from sqlalchemy import select

from callevents.db.models import CallEvent, Extension, Pbx
from callevents.extensions import db
from callevents.security.hidden_numbers import hide_numbers
from callevents.web.access import may

_CALL_VALUES = (
    "peer",
    "caller_number",
    "caller_name",
    "caller_extension",
    "called_number",
    "called_extension",
    "called_did",
)


def init_app(app: Flask) -> None:
    """Register the filters."""
    for text_filter in (shown_to_user, shown_extension, shown_error_of_receiver, url_of_call):
        app.jinja_env.filters[text_filter.__name__] = text_filter
    app.jinja_env.globals["sees_numbers"] = sees_numbers


def sees_numbers(pbx: Pbx) -> bool:
    """Return True if the user may see whole phone numbers of the PBX."""
    return not pbx.hides_numbers or may("manage", pbx)


def shown_to_user(text: str, pbx: Pbx, event: CallEvent | None = None) -> str:
    """Return the text, with phone numbers hidden if the PBX wants that for this user.

    `event`: that from which the text was made.
    """
    if sees_numbers(pbx):
        return text
    known = [getattr(event, name) for name in _CALL_VALUES] if event else []
    return hide_numbers(text, known)


def shown_extension(number: str, pbx: Pbx) -> str:
    """Return the number of a call's extension: hidden, as others, unless it is one of the PBX."""
    shown = shown_to_user(number, pbx)
    return number if shown == number or _is_extension(number, pbx) else shown


def shown_error_of_receiver(error: str) -> str:
    """Return a receiver's error, which may name a number of a call of any PBX."""
    return error if may("manage") else hide_numbers(error)


def url_of_call(event: CallEvent, pbx: Pbx) -> str:
    """Return the URL of the event's call. A call ID with a number is not in it."""
    if shown_to_user(event.call_id, pbx) == event.call_id:
        return url_for("calls.show", slug=pbx.slug, id=event.call_id)
    return url_for("calls.show", slug=pbx.slug, event=event.id)


def _is_extension(number: str, pbx: Pbx) -> bool:
    known: dict[tuple[int, str], bool] = g.setdefault("known_extensions", {})
    if (pbx.id, number) not in known:
        is_it = (Extension.pbx_id == pbx.id, Extension.number == number)
        known[pbx.id, number] = db.session.scalar(select(Extension.id).where(*is_it)) is not None
    return known[pbx.id, number]
