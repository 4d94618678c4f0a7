"""Use cases on hooks: find, create, update, enable, disable, clear."""

from collections.abc import Iterable, Sequence

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.orm import joinedload

from callevents.enums import TABLE_ORDER, DeliveryState, EventType, Method
from callevents.errors import ConflictError, InvalidError, NotFoundError
from callevents.extensions import db, insert_into
from callevents.models import (
    MAX_NOTE_LENGTH,
    Delivery,
    Extension,
    Hook,
    Origin,
    Pbx,
    utc_now,
)
from callevents.outbox import end_waiting, find_open
from callevents.urls import check_url, origin_of

#: Extensions named by this stand for all of their PBX.
ALL_EXTENSIONS = "*"
MAX_HOOKS_PER_TYPE = 20


def list_hooks(pbx: Pbx, extension: Extension | None) -> Sequence[Hook]:
    """Return the hooks of one extension, or those of all extensions for None, oldest first."""
    return db.session.scalars(
        select(Hook).where(_belongs(pbx, extension)).order_by(Hook.event_type, Hook.id)
    ).all()


def list_all_hooks(pbx: Pbx | None = None) -> Sequence[Hook]:
    """Return all hooks, of one PBX if one is given, with their PBXs and extensions."""
    query = (
        select(Hook)
        .options(joinedload(Hook.pbx), joinedload(Hook.extension))
        .order_by(Hook.pbx_id, Hook.extension_id, Hook.event_type, Hook.id)
    )
    if pbx is not None:
        query = query.where(Hook.pbx_id == pbx.id)
    return db.session.scalars(query).all()


def find_any_hook(pbx: Pbx) -> Hook | None:
    """Return the PBX's first hook, with its extension; None if it has no hooks."""
    return db.session.scalar(
        select(Hook)
        .options(joinedload(Hook.extension))
        .where(Hook.pbx_id == pbx.id)
        .order_by(Hook.id)
        .limit(1)
    )


def count_active_of_all(pbx: Pbx) -> dict[EventType, int]:
    """Return how many active hooks apply to all extensions, by event type, in the table's order."""
    hooks = [hook for hook in list_hooks(pbx, None) if hook.active]
    counts = {
        event_type: sum(hook.event_type is event_type for hook in hooks)
        for event_type in TABLE_ORDER
    }
    return {event_type: count for event_type, count in counts.items() if count}


def get_hook(event_id: str, pbx: Pbx | None = None) -> Hook:
    """Return the hook, of that PBX if one is given; raises NotFoundError."""
    found = select(Hook).where(Hook.event_id == event_id)
    hook = db.session.scalar(found) if event_id.isprintable() else None
    if hook is None or (pbx is not None and hook.pbx_id != pbx.id):
        raise NotFoundError(f"There is no request with the Event ID {event_id!r}.")
    return hook


def create_hook(
    pbx: Pbx,
    extension: Extension | None,
    event_type: EventType,
    *,
    method: Method,
    url: str,
    active: bool = True,
    note: str = "",
) -> Hook:
    """Create a hook, for all extensions if `extension` is None. Raises InvalidError."""
    values = _check(url, note)
    _refuse_too_many(pbx, extension, event_type)
    hook = Hook(
        pbx_id=pbx.id,
        extension_id=extension.id if extension else None,
        event_type=event_type,
        method=method,
        active=active,
        origin_id=find_origin(values["url"]),
        **values,
    )
    db.session.add(hook)
    db.session.flush()
    return hook


def set_hook(
    pbx: Pbx,
    extension: Extension | None,
    event_type: EventType,
    *,
    method: Method,
    url: str,
    active: bool = True,
    note: str = "",
) -> Hook:
    """Make this the request of the event: change the only one there is, or create it.

    Raises InvalidError, and ConflictError where the event has several.
    """
    same = [hook for hook in list_hooks(pbx, extension) if hook.event_type is event_type]
    if len(same) > 1:
        raise ConflictError(
            f"This event has {len(same)} requests; change the right one in its dialog."
        )
    if not same:
        return create_hook(
            pbx, extension, event_type, method=method, url=url, active=active, note=note
        )
    update_hook(same[0], method=method, url=url, active=active, note=note)
    return same[0]


def update_hook(hook: Hook, *, method: Method, url: str, active: bool, note: str) -> None:
    """Change a hook; what waits for it goes the new way. Raises InvalidError."""
    values = _check(url, note)
    hook.method = method
    hook.url, hook.note = values["url"], values["note"]
    hook.origin_id = find_origin(hook.url)
    db.session.execute(
        update(Delivery)
        .where(Delivery.id.in_(find_open([hook.id])))
        .values(method=hook.method, url=hook.url, origin_id=hook.origin_id)
        .execution_options(synchronize_session=False)
    )
    set_active(hook, active)


def find_origin(url: str) -> int:
    """Return the id of the URL's origin, which is made if it is new."""
    name = origin_of(url)
    known = select(Origin.id).where(Origin.name == name)
    if (found := db.session.scalar(known)) is not None:
        return found
    db.session.execute(
        insert_into(Origin)
        .values(name=name, failures=0, pauses=0, error="")
        .on_conflict_do_nothing()
    )
    return db.session.scalars(known).one()


def set_active(hook: Hook, active: bool) -> None:
    """Enable or disable a hook. Disabling cancels what waits for it."""
    hook.active = active
    db.session.flush()
    if not active:
        cancel_deliveries([hook.id])


def clear_hooks(hooks: Iterable[Hook]) -> int:
    """Remove hooks and cancel what waits for them; return how many there were."""
    ids = [hook.id for hook in hooks]
    cancel_deliveries(ids)
    db.session.execute(
        delete(Hook).where(Hook.id.in_(ids)).execution_options(synchronize_session="fetch")
    )
    return len(ids)


def check_note(note: str) -> str:
    """Return the note without spaces around it; raises InvalidError."""
    note = note.replace("\r\n", "\n").strip()
    if len(note) > MAX_NOTE_LENGTH:
        raise InvalidError.of(
            "note",
            f"The note may have at most {MAX_NOTE_LENGTH} characters; this one has {len(note)}.",
        )
    if not note.replace("\n", "").replace("\t", "").isprintable():
        raise InvalidError.of("note", "The note must not have control characters.")
    return note


def _check(url: str, note: str) -> dict[str, str]:
    """Return the checked URL and note; raises one InvalidError for all that is wrong."""
    values: dict[str, str] = {}
    errors: dict[str, list[str]] = {}
    try:
        values["url"] = check_url(url).url
    except InvalidError as error:
        errors |= error.errors
    try:
        values["note"] = check_note(note)
    except InvalidError as error:
        errors |= error.errors
    if errors:
        raise InvalidError(errors)
    return values


def _refuse_too_many(pbx: Pbx, extension: Extension | None, event_type: EventType) -> None:
    same = [hook for hook in list_hooks(pbx, extension) if hook.event_type is event_type]
    if len(same) >= MAX_HOOKS_PER_TYPE:
        raise InvalidError.of(
            "event", f"One event type can have at most {MAX_HOOKS_PER_TYPE} requests."
        )


def _belongs(pbx: Pbx, extension: Extension | None) -> ColumnElement[bool]:
    if extension is None:
        return (Hook.pbx_id == pbx.id) & Hook.extension_id.is_(None)
    return Hook.extension_id == extension.id


def cancel_deliveries(hook_ids: Sequence[int]) -> None:
    """Cancel what waits for these hooks."""
    db.session.flush()
    end_waiting(db.session.connection(), hook_ids, DeliveryState.CANCELLED, utc_now())
