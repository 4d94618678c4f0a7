"""Use cases on hooks: find, create, update, enable, disable, clear."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.orm import joinedload

from callevents import waiting
from callevents.enums import TABLE_ORDER, DeliveryState, EventType, Method
from callevents.errors import ConflictError, InvalidError, NotFoundError
from callevents.extensions import db, insert_into
from callevents.models import (
    MAX_NOTE_LENGTH,
    Extension,
    Hook,
    Origin,
    Pbx,
    utc_now,
)
from callevents.outbox import end_waiting
from callevents.policy import Policy, check_policy, read_policy, store_policy
from callevents.suspension import resume
from callevents.urls import check_url, origin_of

#: Extensions named by this stand for all of their PBX.
ALL_EXTENSIONS = "*"
MAX_HOOKS_PER_TYPE = 20
MAX_ORIGINS = 100


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
    policy: Policy | None = None,
) -> Hook:
    """Create a hook, for all extensions if `extension` is None. Raises InvalidError."""
    checked = _check(url, note, policy or Policy())
    _refuse_too_many(pbx, extension, event_type)
    hook = Hook(
        pbx_id=pbx.id,
        extension_id=extension.id if extension else None,
        event_type=event_type,
        method=method,
        url=checked.url,
        active=active,
        note=checked.note,
        origin_id=find_origin(checked.url),
    )
    store_policy(hook, checked.policy)
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
    policy: Policy | None = None,
) -> Hook:
    """Make this the request of the event: change the only one there is, or create it.

    Without a policy it has the default one. Raises InvalidError, and ConflictError where the event
    has several.
    """
    values: dict[str, Any] = {"method": method, "url": url, "active": active, "note": note}
    values["policy"] = policy or Policy()
    hook = find_only_hook(pbx, extension, event_type)
    if hook is None:
        return create_hook(pbx, extension, event_type, **values)
    update_hook(hook, **values)
    return hook


def find_only_hook(pbx: Pbx, extension: Extension | None, event_type: EventType) -> Hook | None:
    """Return the event's request, None if it has none; raises ConflictError if it has several."""
    same = [hook for hook in list_hooks(pbx, extension) if hook.event_type is event_type]
    if len(same) > 1:
        raise ConflictError(
            f"This event has {len(same)} requests; change the right one in its dialog."
        )
    return same[0] if same else None


def update_hook(
    hook: Hook,
    *,
    method: Method,
    url: str,
    active: bool,
    note: str,
    policy: Policy | None = None,
) -> None:
    """Change a hook, and without a policy leave that as it is; what waits goes the new way.

    Raises InvalidError.
    """
    checked = _check(url, note, policy or read_policy(hook), hook)
    age, lane, url_before = hook.give_up_seconds, (hook.in_order, hook.origin_id), hook.url
    hook.method = method
    hook.url, hook.note = checked.url, checked.note
    hook.origin_id = find_origin(hook.url)
    store_policy(hook, checked.policy)
    waiting.redirect(hook)
    if hook.give_up_seconds != age:
        waiting.change_age(hook, hook.give_up_seconds - age)
    if (hook.in_order, hook.origin_id) != lane:
        waiting.change_lanes(hook)
    if hook.url != url_before:
        # Whoever corrects the address of a suspended request wants it to be used.
        resume(hook)
    _set_active(hook, active)


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


def list_origins(pbx: Pbx | None) -> Sequence[str]:
    """Return the origins that requests of the PBX, or of all, go to; not all if there are many."""
    query = select(Origin.name).join(Hook, Hook.origin_id == Origin.id).distinct()
    if pbx is not None:
        query = query.where(Hook.pbx_id == pbx.id)
    return db.session.scalars(query.order_by(Origin.name).limit(MAX_ORIGINS)).all()


def set_active(hook: Hook, active: bool) -> None:
    """Enable or disable a hook. Enabling resumes one that is suspended."""
    if active:
        resume(hook)
    _set_active(hook, active)


def _set_active(hook: Hook, active: bool) -> None:
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


@dataclass(frozen=True)
class _Checked:
    url: str
    note: str
    policy: Policy


def _check(url: str, note: str, policy: Policy, hook: Hook | None = None) -> _Checked:
    """Return the values as they are stored; raises one InvalidError for all that is wrong."""
    errors: dict[str, list[str]] = {}
    values: dict[str, Any] = {}
    for name, check in (
        ("url", lambda: check_url(url).url),
        ("note", lambda: check_note(note)),
        ("policy", lambda: check_policy(policy, hook, values.get("url", ""))),
    ):
        try:
            values[name] = check()
        except InvalidError as error:
            errors |= error.errors
    if errors:
        raise InvalidError(errors)
    return _Checked(**values)


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
    # Hooks are locked before their deliveries, as when one is suspended: else both could deadlock.
    db.session.execute(
        select(Hook.id).where(Hook.id.in_(hook_ids)).order_by(Hook.id).with_for_update()
    )
    end_waiting(db.session.connection(), hook_ids, DeliveryState.CANCELLED, utc_now())
