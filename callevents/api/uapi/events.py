"""The events of an extension: find, create, update and remove."""

from collections.abc import Sequence

from callevents.api.uapi.errors import UapiError
from callevents.api.uapi.fields import (
    Event,
    GivenFields,
    method_code,
    of_domain,
    read_type,
    to_event,
)
from callevents.api.uapi.place import Place
from callevents.db.models import Hook
from callevents.enums import EventType, Method
from callevents.errors import InvalidError, NotFoundError
from callevents.extensions import db
from callevents.hooks import hooks
from callevents.hooks.history import record_shown_urls
from callevents.hooks.hooks import HookData
from callevents.hooks.options import read_options
from callevents.hooks.queries import list_hooks
from callevents.hooks.receiver import read_hidden_url
from callevents.hooks.suspension import resume_if_complete


def find_hooks(place: Place, type_text: str | None, event_id: str | None) -> Sequence[Hook]:
    """Return the hooks of the extension, of this type and with this ID if given.

    Raises UapiError. Hooks for all extensions are not among them.
    """
    found = list_hooks(place.extension.pbx, place.extension)
    if type_text is not None:
        event_type = read_type(type_text, "pce_type_invalid")
        found = [hook for hook in found if hook.event_type is event_type]
    if event_id is not None:
        found = [hook for hook in found if hook.event_id == event_id]
        if not found:
            raise _no_event()
    return found


def create_event(place: Place, event_type: EventType | None, given: GivenFields) -> Event:
    """Create an event and return it; raises UapiError. `event_type`: of the path, if any."""
    if event_type and given.event_type not in (None, event_type):
        raise UapiError("pcet_type_invalid", "The type in the body differs from that in the path.")
    event_type = given.event_type if event_type is None else event_type
    if event_type is None:
        raise UapiError("pcet_type_invalid", "The type is missing: a number from 0 to 4.")
    if given.url is None:
        raise UapiError("pce_url_invalid", "The url is missing.")
    data = HookData(
        url=given.url,
        method=given.method or Method.GET,
        active=given.active is not False,
        note=given.note or "",
    )
    extension = place.extension
    try:
        hook = hooks.create_hook(extension.pbx, extension, event_type, data)
    except InvalidError as error:
        raise of_domain(error) from None
    return to_event(hook, place)


def update_event(place: Place, type_text: str, event_id: str, given: GivenFields) -> Event:
    """Change what is given and return the event; raises UapiError. All else stays."""
    [hook] = find_hooks(place, type_text, event_id)
    if given.event_type not in (None, hook.event_type):
        raise UapiError("pce_type_invalid", "The type of an event cannot be changed.")
    # Its values as they are now: two updates at once must not undo each other.
    locked = db.session.get(Hook, hook.id, with_for_update=True, populate_existing=True)
    if locked is None:
        raise _no_event()
    if not given.is_empty:
        _update(locked, given, place)
    if given.url is None and place.shows_url(locked):
        record_shown_urls([locked])
    return to_event(locked, place)


def remove_events(place: Place, type_text: str | None, event_id: str | None) -> list[Event]:
    """Remove the events and return them; raises UapiError."""
    found = find_hooks(place, type_text, event_id)
    removed = [to_event(hook, place) for hook in found]
    record_shown_urls(filter(place.shows_url, found))
    hooks.clear_hooks(found)
    return removed


def _update(hook: Hook, given: GivenFields, place: Place) -> None:
    try:
        data = HookData(
            url=_choose_url(hook, given, place),
            method=_choose_method(hook, given),
            active=hook.active if given.active is None else given.active,
            note=hook.note if given.note is None else given.note,
            options=read_options(hook),
        )
        hooks.update_hook(hook, data, scope=place.scope)
    except InvalidError as error:
        raise of_domain(error) from None
    except NotFoundError:
        raise _no_event() from None
    if given.active:
        # As with the status icon of the page, this resumes a suspended one.
        resume_if_complete(hook)


def _choose_url(hook: Hook, given: GivenFields, place: Place) -> str:
    """Return the given URL; raises InvalidError. Clients send back the one that they were shown."""
    if given.url is None:
        return hook.url
    return given.url if place.shows_url(hook) else read_hidden_url(given.url, hook.url)


def _choose_method(hook: Hook, given: GivenFields) -> Method:
    """Return the given method. Clients send back the code of one that VoipNow does not have."""
    if given.method is None or method_code(given.method) == method_code(hook.method):
        return hook.method
    return given.method


def _no_event() -> UapiError:
    return UapiError("pce_id_invalid", "The extension has no such event of that type.")
