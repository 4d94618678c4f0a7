"""Create, update, enable, disable and clear hooks."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import func, select

from callevents import audit
from callevents.audit.targets import of_hook
from callevents.counted import counted
from callevents.db.locks import lock_pbx
from callevents.db.models import Extension, Hook, Origin, Pbx, Receiver, new_event_id
from callevents.db.session import insert_into
from callevents.delivery import reroute
from callevents.delivery.hold import cancel_waiting_of, count_waiting, hold, release
from callevents.delivery.hook_values import hook_values
from callevents.delivery.removal import Removed, remove_hooks
from callevents.delivery.request.url import check_url, origin_of
from callevents.enums import EventType, HookScope, Method
from callevents.errors import ConflictError, InvalidError, NotFoundError
from callevents.extensions import db
from callevents.hooks.left_out import lacks_own
from callevents.hooks.options import HookOptions, store_options
from callevents.hooks.queries import find_only_hook, list_hooks
from callevents.hooks.receiver import check_choice, check_kept, check_use, read_again
from callevents.hooks.suspension import resume, resume_entered, resume_if_complete
from callevents.hooks.validation import check_note, check_options
from callevents.users.rights import EVERYTHING, Scope

MAX_HOOKS_PER_TYPE = 20


@dataclass(frozen=True)
class HookData:
    """The values of a hook that users set, in the dialog and with commands."""

    url: str
    method: Method = Method.GET
    active: bool = True
    note: str = ""
    options: HookOptions = field(default_factory=HookOptions)
    #: The receiver that the hook belongs to; its URL begins with the receiver's address.
    receiver_id: int | None = None
    #: The name of the recipe's request from which it is made.
    recipe_request: str = ""
    #: A change keeps the receiver of the hook, whatever `receiver_id` is.
    keeps_receiver: bool = True

    def of(self, receiver: Receiver | None, hook: Hook | None = None) -> "HookData":
        """Return the data for a request of the receiver, or of none.

        `hook`: what is changed. If it has this receiver already, what the recipe says of it stays.
        """
        receiver_id = receiver.id if receiver else None
        is_same = hook is not None and hook.receiver_id == receiver_id
        return replace(self, receiver_id=receiver_id, recipe_request="", keeps_receiver=is_same)


def create_hook(
    pbx: Pbx,
    extension: Extension | None,
    event_type: EventType,
    data: HookData,
    event_id: str | None = None,
    *,
    scope: Scope = EVERYTHING,
) -> Hook:
    """Create a hook, for all extensions if `extension` is None. Raises InvalidError.

    `event_id`: of a hook that is imported; it must be free. `scope`: what the user may edit.
    """
    batch = HookBatch(pbx, scope)
    same = [hook for hook in list_hooks(pbx, extension) if hook.event_type is event_type]
    hook = batch.add(extension, event_type, data, event_id, others=len(same))
    db.session.flush()
    return hook


class HookBatch:
    """Creates hooks of one PBX without a query for each. The caller flushes the session.

    `scope`: what the user may edit.
    """

    def __init__(self, pbx: Pbx, scope: Scope = EVERYTHING) -> None:
        # So that two requests added at the same moment are both counted.
        lock_pbx(db.session.connection(), pbx.id)
        self._pbx = pbx
        self._scope = scope
        #: How many hooks the PBX has; None: not counted yet.
        self._count: int | None = None
        #: The data that was checked last, for which event, and what is stored of it.
        self._checked: tuple[HookData, EventType, HookData] | None = None
        #: IDs of the receivers that were read since the PBX is locked.
        self._read_again: set[int | None] = set()
        #: IDs of origins by name.
        self._origins: dict[str, int] = {}
        #: IDs of the first hooks of those that are sent once per call together.
        self._first: dict[tuple[int, str], int] = {}

    def add(
        self,
        extension: Extension | None,
        event_type: EventType,
        data: HookData,
        event_id: str | None = None,
        *,
        others: int,
        is_recorded: bool = True,
    ) -> Hook:
        """Create a hook, as `create_hook` does. `others`: how many hooks its event already has.

        `is_recorded`: with an entry of the history.
        """
        check_choice(self._scope, self._pbx.id, data.receiver_id)
        data = self._check(data, event_type)
        _check_count(others)
        self._check_quota()
        hook = Hook(
            event_id=event_id or new_event_id(),
            pbx_id=self._pbx.id,
            extension_id=extension.id if extension else None,
            event_type=event_type,
            method=data.method,
            url=data.url,
            active=data.active,
            note=data.note,
            origin_id=self._find_origin(data.url),
            receiver_id=data.receiver_id,
            recipe_request=data.recipe_request,
        )
        store_options(hook, data.options)
        hook.once_id = self._find_first(data)
        db.session.add(hook)
        if self._count is not None:
            self._count += 1
        self._keep_first(hook)
        if is_recorded:
            values = {**hook_values(hook), "enabled": hook.active}
            audit.record(audit.Action.HOOK_CREATED, of_hook(hook, extension), after=values)
        return hook

    def count_again(self) -> None:
        """Count the hooks again before the next one, because some were removed."""
        self._count = None

    def _check_quota(self) -> None:
        if self._pbx.max_hooks is None:
            return
        if self._count is None:
            query = select(func.count()).where(Hook.pbx_id == self._pbx.id)
            self._count = db.session.scalar(query) or 0
        _check_quota(self._pbx, self._pbx.max_hooks, self._count)

    def _check(self, data: HookData, event_type: EventType) -> HookData:
        """Return the data as it is stored; the same data is checked once. Raises InvalidError."""
        last = self._checked
        if last is None or last[0] is not data or last[1] is not event_type:
            if data.receiver_id not in self._read_again:
                read_again(data.receiver_id)
                self._read_again.add(data.receiver_id)
            last = data, event_type, _check(data, event_type, self._pbx.id)
            self._checked = last
        return last[2]

    def _find_first(self, data: HookData) -> int | None:
        """Return the ID of the first hook for the same request of the receiver, None without."""
        if not (data.receiver_id and data.recipe_request and data.options.scope is HookScope.CALL):
            return None
        key = (data.receiver_id, data.recipe_request)
        if key not in self._first:
            same = select(func.min(func.coalesce(Hook.once_id, Hook.id))).where(
                Hook.pbx_id == self._pbx.id,
                Hook.receiver_id == data.receiver_id,
                Hook.recipe_request == data.recipe_request,
                Hook.scope == HookScope.CALL,
            )
            if (found := db.session.scalar(same)) is None:
                return None
            self._first[key] = found
        return self._first[key]

    def _keep_first(self, hook: Hook) -> None:
        if hook.receiver_id and hook.recipe_request and hook.scope is HookScope.CALL:
            key = (hook.receiver_id, hook.recipe_request)
            if key not in self._first:
                db.session.flush()
                self._first[key] = hook.id

    def _find_origin(self, url: str) -> int:
        name = origin_of(url)
        if name not in self._origins:
            self._origins[name] = get_or_create_origin(url)
        return self._origins[name]


def set_hook(pbx: Pbx, extension: Extension | None, event_type: EventType, data: HookData) -> Hook:
    """Update the only hook of the event type, or create it.

    Raises InvalidError, and ConflictError if the event type has several hooks.
    """
    hook = find_only_hook(pbx, extension, event_type)
    if hook is None:
        return create_hook(pbx, extension, event_type, data)
    update_hook(hook, data)
    return hook


def update_hook(hook: Hook, data: HookData, *, scope: Scope = EVERYTHING) -> int:
    """Replace the values of a hook; its waiting deliveries use the new ones. Raises InvalidError.

    Secrets that `data` leaves out are kept. `scope`: what the user may edit. Returns the same as
    `set_active`.
    """
    if not data.keeps_receiver:
        # Errors about the URL would tell of secrets in the receiver's address.
        check_choice(scope, hook.pbx_id, data.receiver_id)
        # First, as all do that lock both: the receiver's address stays until the transaction ends.
        lock_pbx(db.session.connection(), hook.pbx_id)
    _lock(hook)
    if data.keeps_receiver:
        kept = {"receiver_id": hook.receiver_id, "recipe_request": hook.recipe_request}
        data = replace(data, **kept)  # type: ignore[arg-type]  # as the columns are
    read_again(data.receiver_id)
    data = _check(data, hook.event_type, hook.pbx_id, hook)
    check_kept(scope, hook, data.receiver_id, data.method, data.url, data.options)
    values = hook_values(hook)
    lacked = lacks_own(hook)
    age, ordering_key, url_before = hook.give_up_seconds, (hook.in_order, hook.origin_id), hook.url
    hook.method = data.method
    hook.url, hook.note = data.url, data.note
    hook.origin_id = get_or_create_origin(hook.url)
    if hook.receiver_id != data.receiver_id:
        hook.once_id = None
    hook.receiver_id, hook.recipe_request = data.receiver_id, data.recipe_request
    store_options(hook, data.options)
    target = of_hook(hook, hook.extension)
    audit.record_change(audit.Action.HOOK_CHANGED, target, values, hook_values(hook))
    reroute.update_target(hook)
    if hook.give_up_seconds != age:
        reroute.shift_expiry(hook, hook.give_up_seconds - age)
    if (hook.in_order, hook.origin_id) != ordering_key:
        reroute.update_ordering_keys(hook)
    if hook.url != url_before:
        # A suspended request with a corrected URL is meant to be used.
        resume_if_complete(hook)
    if lacked:
        resume_entered(hook)
    return _set_active(hook, data.active)


def get_or_create_origin(url: str) -> int:
    """Return the id of the URL's origin, creating it if it is new."""
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


def set_active(hook: Hook, active: bool) -> int:
    """Enable or disable a hook. Enabling resumes one that is suspended.

    What waits for a disabled hook is held until it is enabled. Returns how many deliveries are held
    now, or go on. The caller wakes the workers after the commit. Raises ConflictError as `resume`.
    """
    _lock(hook)
    if active:
        resume(hook)
    return _set_active(hook, active)


def _set_active(hook: Hook, active: bool) -> int:
    if hook.active is not active:
        action = audit.Action.HOOK_ENABLED if active else audit.Action.HOOK_DISABLED
        audit.record(action, of_hook(hook, hook.extension))
    hook.active = active
    db.session.flush()
    return release([hook.id]) if active else hold([hook.id])


def cancel_held(hook: Hook) -> int:
    """Cancel what waits for a disabled hook; return how many deliveries. Raises ConflictError."""
    _lock(hook)
    if hook.active:
        raise ConflictError(
            "The request has been enabled since, and its deliveries go on. Nothing was cancelled."
        )
    if count := count_waiting([hook.id]):
        # Before the deliveries end, as the log expects of what has ended them.
        target = of_hook(hook, hook.extension)
        audit.record(audit.Action.HELD_CANCELLED, target, after={"deliveries": count})
    return cancel_waiting_of(hook)


def _lock(hook: Hook) -> None:
    """Lock the hook and read it again; raises NotFoundError.

    Otherwise two users who enable and disable it at the same time could each see what is not so.
    """
    if not db.session.get(Hook, hook.id, with_for_update=True, populate_existing=True):
        raise NotFoundError("The request has been removed.")


def clear_hooks(hooks: Iterable[Hook]) -> Removed:
    """Remove hooks of one PBX, which can be undone for a while. What waits for them is held."""
    chosen = list(hooks)
    return remove_hooks(chosen[0].pbx_id, [hook.id for hook in chosen]) if chosen else Removed()


def _check(
    data: HookData, event_type: EventType, pbx_id: int, hook: Hook | None = None
) -> HookData:
    """Return the data as it is stored; raises one InvalidError for all invalid fields."""

    def checked_options() -> HookOptions:
        return check_options(
            data.options,
            hook,
            values.get("url", ""),
            event_type=event_type,
            has_receiver=data.receiver_id is not None,
        )

    errors: dict[str, list[str]] = {}
    values: dict[str, Any] = {}
    for name, check in (
        ("url", lambda: check_url(data.url).url),
        ("note", lambda: check_note(data.note)),
        ("options", checked_options),
        (
            "receiver",
            lambda: check_use(pbx_id, data.receiver_id, values.get("url", ""), data.options),
        ),
    ):
        try:
            values[name] = check()
        except InvalidError as error:
            errors |= error.errors
    if errors:
        raise InvalidError(errors)
    del values["receiver"]
    return replace(data, **values)


def _check_count(others: int) -> None:
    if others >= MAX_HOOKS_PER_TYPE:
        raise InvalidError.of(
            "event", f"One event type can have at most {MAX_HOOKS_PER_TYPE} requests."
        )


def _check_quota(pbx: Pbx, limit: int, count: int) -> None:
    if count >= limit:
        raise InvalidError.of(
            "requests",
            f"The quota of {pbx.name} is {counted(limit, 'request')}, and "
            f"it has {count:,}. Clear others, or ask an admin for a higher quota.",
        )
