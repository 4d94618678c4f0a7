"""Use cases on hooks: find, create, update, enable, disable, clear."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, select

from callevents.db.models import Extension, Hook, Origin, Pbx
from callevents.db.session import insert_into
from callevents.delivery import reroute
from callevents.delivery.outbox import cancel_deliveries
from callevents.delivery.request.url import check_url, origin_of
from callevents.enums import EventType, Method
from callevents.errors import InvalidError
from callevents.extensions import db
from callevents.hooks.options import HookOptions, read_options, store_options
from callevents.hooks.queries import find_only_hook, list_hooks
from callevents.hooks.suspension import resume
from callevents.hooks.validation import check_note, check_options

MAX_HOOKS_PER_TYPE = 20


def create_hook(
    pbx: Pbx,
    extension: Extension | None,
    event_type: EventType,
    *,
    method: Method,
    url: str,
    active: bool = True,
    note: str = "",
    options: HookOptions | None = None,
) -> Hook:
    """Create a hook, for all extensions if `extension` is None. Raises InvalidError."""
    checked = _check(url, note, options or HookOptions())
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
    store_options(hook, checked.options)
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
    options: HookOptions | None = None,
) -> Hook:
    """Make this the request of the event: change the only one there is, or create it.

    Without options it has the default ones. Raises InvalidError, and ConflictError where the event
    has several.
    """
    values: dict[str, Any] = {"method": method, "url": url, "active": active, "note": note}
    values["options"] = options or HookOptions()
    hook = find_only_hook(pbx, extension, event_type)
    if hook is None:
        return create_hook(pbx, extension, event_type, **values)
    update_hook(hook, **values)
    return hook


def update_hook(
    hook: Hook,
    *,
    method: Method,
    url: str,
    active: bool,
    note: str,
    options: HookOptions | None = None,
) -> None:
    """Change a hook, and without options leave those as they are; what waits goes the new way.

    Raises InvalidError.
    """
    checked = _check(url, note, options or read_options(hook), hook)
    age, ordering_key, url_before = hook.give_up_seconds, (hook.in_order, hook.origin_id), hook.url
    hook.method = method
    hook.url, hook.note = checked.url, checked.note
    hook.origin_id = find_origin(hook.url)
    store_options(hook, checked.options)
    reroute.update_target(hook)
    if hook.give_up_seconds != age:
        reroute.shift_expiry(hook, hook.give_up_seconds - age)
    if (hook.in_order, hook.origin_id) != ordering_key:
        reroute.update_ordering_keys(hook)
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
        .values(name=name, failures=0, times_opened=0, error="")
        .on_conflict_do_nothing()
    )
    return db.session.scalars(known).one()


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


@dataclass(frozen=True)
class _Checked:
    url: str
    note: str
    options: HookOptions


def _check(url: str, note: str, options: HookOptions, hook: Hook | None = None) -> _Checked:
    """Return the values as they are stored; raises one InvalidError for all that is wrong."""
    errors: dict[str, list[str]] = {}
    values: dict[str, Any] = {}
    for name, check in (
        ("url", lambda: check_url(url).url),
        ("note", lambda: check_note(note)),
        ("options", lambda: check_options(options, hook, values.get("url", ""))),
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
