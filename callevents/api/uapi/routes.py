"""The routes: /uapi/extensions/{userId}/{extension}/phoneCallEvents[/{type}[/{id}]].

They answer with and without a slash at the end, and never redirect: VoipNow's clients send both,
and follow no redirect. A success is always 200 with JSON, which clients parse.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import quote

from flask import Blueprint, Response, request
from sqlalchemy import select

from callevents import audit
from callevents.api.outer_origin import outer_origin
from callevents.api.uapi import events
from callevents.api.uapi.authentication import authenticate, authenticate_again
from callevents.api.uapi.body import read_object
from callevents.api.uapi.errors import BASES, MEDIA_TYPE, UapiError, error_response
from callevents.api.uapi.fields import read_fields, read_type, to_event
from callevents.api.uapi.listing import Listing
from callevents.api.uapi.place import find_place, lock_place
from callevents.api_access.principal import Principal
from callevents.db.models import Hook
from callevents.db.session import begin_write
from callevents.extensions import csrf, db
from callevents.hooks.history import find_newly_shown, record_shown_urls
from callevents.jobs.waker import wake

bp = Blueprint("uapi", __name__)
# Programs have no session that another site could use: they authenticate with a token.
csrf.exempt(bp)

View = TypeVar("View", bound=Callable[..., Response])

ALL = "/extensions/<user>/<extension>/phoneCallEvents"
OF_TYPE = f"{ALL}/<event_type>"
ONE = f"{OF_TYPE}/<event_id>"


def _route(method: str, *paths: str) -> Callable[[View], View]:
    def register(view: View) -> View:
        for base in BASES:
            for path in paths:
                bp.add_url_rule(
                    f"{base}{path}",
                    view_func=view,
                    methods=[method],
                    strict_slashes=False,
                    merge_slashes=False,
                )
        return view

    return register


@_route("GET", ALL, OF_TYPE, ONE)
def list_events(
    user: str, extension: str, event_type: str | None = None, event_id: str | None = None
) -> Response:
    """List events; with an ID, a list of one."""
    principal = authenticate()
    place = find_place(principal, user, extension)
    hooks = events.find_hooks(place, event_type, event_id)
    listing = Listing.read(request.args)
    found = listing.select([to_event(hook, place) for hook in hooks])
    response = _respond(listing.answer(found, _request_url()))
    if request.method == "GET" and place.may_edit and listing.shows_urls:
        shown = {event["id"] for event in listing.on_page(found)}
        _record_shown(
            principal,
            [hook for hook in hooks if hook.event_id in shown and place.shows_url(hook)],
        )
    return response


@_route("POST", ALL, OF_TYPE)
def create_event(user: str, extension: str, event_type: str | None = None) -> Response:
    """Create an event, of the type in the path or in the body."""
    with _changing() as principal:
        place = lock_place(principal, user, extension)
        wanted = None if event_type is None else read_type(event_type, "pcet_type_invalid")
        given = read_fields(read_object(request), type_code="pcet_type_invalid")
        created = events.create_event(place, wanted, given)
    return _respond(created)


@_route("PUT", ONE)
def update_event(user: str, extension: str, event_type: str, event_id: str) -> Response:
    """Change what the body names."""
    with _changing() as principal:
        place = lock_place(principal, user, extension)
        given = read_fields(read_object(request), type_code="pce_type_invalid")
        updated = events.update_event(place, event_type, event_id, given)
    return _respond(updated)


@_route("DELETE", ALL, OF_TYPE, ONE)
def remove_events(
    user: str, extension: str, event_type: str | None = None, event_id: str | None = None
) -> Response:
    """Remove one event, those of a type, or all of the extension."""
    with _changing() as principal:
        place = lock_place(principal, user, extension)
        removed = events.remove_events(place, event_type, event_id)
    return _respond(removed)


@bp.errorhandler(UapiError)
def _error(error: UapiError) -> Response:
    return error_response(error)


@contextmanager
def _changing() -> Iterator[Principal]:
    """Yield whom the request comes from, in a write transaction; then commit, and wake workers."""
    # Strangers must not wait for, and not get, the lock that SQLite gives to one writer.
    authenticate()
    begin_write()
    principal = authenticate_again()
    with audit.acting_as(principal.as_actor(request.remote_addr or "")):
        yield principal
        db.session.commit()
    # What was held may be due, and so may what waited behind a delivery that is held now.
    wake()


def _record_shown(principal: Principal, hooks: list[Hook]) -> None:
    """Record that URLs with secrets were shown, if that is new."""
    actor = principal.as_actor(request.remote_addr or "")
    with audit.acting_as(actor):
        newly_shown = [hook.id for hook in find_newly_shown(hooks)]
        if newly_shown:
            begin_write()
            # Some may have been removed meanwhile.
            there = select(Hook).where(Hook.id.in_(newly_shown))
            record_shown_urls(db.session.scalars(there).all())
            db.session.commit()


def _request_url() -> str:
    """Return the URL of the request as the caller sees it, without the query."""
    return outer_origin() + quote(request.path, safe="/@*")


def _respond(found: Any) -> Response:
    # As VoipNow orders the fields; jsonify would sort them.
    return Response(json.dumps(found), mimetype=MEDIA_TYPE)
