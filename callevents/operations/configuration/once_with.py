"""Lets requests of a PBX be sent once per call together, as a document says."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import select

from callevents import audit
from callevents.audit.targets import of_hook
from callevents.db.models import Hook, Pbx
from callevents.enums import HookScope
from callevents.errors import InvalidError
from callevents.extensions import db
from callevents.operations.configuration.changes import Changes, Done, Kind, errors_at
from callevents.operations.configuration.document import ConfiguredHook, ConfiguredPbx

UNKNOWN = "No request of this PBX that is sent once per call has this Event ID."
NEEDS_EVENT_ID = "Only a request with an Event ID and the scope 'call' can be sent with another."


def set_once_with(pbx: Pbx, wanted: ConfiguredPbx, pointer: str, changes: Changes) -> None:
    """Join the requests that name another one; raises DocumentError. All of them are there."""
    joining = [one for one in _list_requests(wanted, pointer) if one[2].once_with is not None]
    if not joining:
        return
    db.session.flush()
    query = select(Hook).where(Hook.pbx_id == pbx.id, Hook.scope == HookScope.CALL)
    hooks = {hook.event_id: hook for hook in db.session.scalars(query)}
    added = {one.key for one in changes.found if one.done is Done.ADDED}
    for where, number, request in joining:
        hook = hooks.get(request.event_id or "")
        first = hooks.get(request.once_with or "")
        with errors_at(where):
            if hook is None:
                raise InvalidError.of("once_with", NEEDS_EVENT_ID)
            if first is None:
                raise InvalidError.of("once_with", UNKNOWN)
        once_id = first.once_id or first.id
        if once_id == (hook.once_id or hook.id):
            continue
        hook.once_id = once_id
        if hook.event_id not in added:
            audit.record(
                audit.Action.HOOK_CHANGED,
                of_hook(hook, hook.extension),
                after={"once_with": first.event_id},
            )
            more: Any = {"fields": ("once_with",), "key": hook.event_id}
            changes.add(Done.CHANGED, Kind.HOOK, f"{pbx.slug} {number}", request.event, **more)


def _list_requests(
    wanted: ConfiguredPbx, pointer: str
) -> Iterator[tuple[str, str, ConfiguredHook]]:
    """Yield where each request is, the number of its extension, and the request."""
    for position, one in enumerate(wanted.hooks):
        yield f"{pointer}/hooks/{position}", "*", one
    for place, extension in enumerate(wanted.extensions):
        for position, one in enumerate(extension.hooks):
            where = f"{pointer}/extensions/{place}/hooks/{position}"
            yield where, extension.number.strip(), one
