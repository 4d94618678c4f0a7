"""Why call events led to no request, found when a page shows it.

Extensions and requests are read as they are now, for all events of the page together.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, func, null, select, union_all

from callevents.audit.actions import Action, ObjectKind
from callevents.audit.queries import find_times
from callevents.db.models import CallEvent, Delivery, Extension, Hook, Pbx
from callevents.db.models.delivery import SUSPENDED_ERROR
from callevents.enums import DeliveryState, EventType, HookScope
from callevents.extensions import db
from callevents.ingest.history import CALL_ID_REUSE_AFTER
from callevents.users.rights import EVERYTHING, Scope

#: What is said of one request, and of several.
State = tuple[str, str]
_ADDED: State = ("was added after this event", "were added after this event")
_APPLIES_NOW: State = (
    "applies now, but did not when this event was reported",
    "apply now, but did not when this event was reported",
)
_DISABLED: State = ("is disabled", "are disabled")
_DISABLED_NOW: State = ("is disabled now", "are disabled now")
_DISABLED_SINCE: State = ("has been disabled", "have been disabled")
#: Deliveries that are read to find those of the events' calls.
MAX_DELIVERIES = 2_000
#: An entry of the history is made at most this long before or after the change itself.
ENTRY_DELAY = timedelta(seconds=10)


@dataclass(frozen=True)
class Reason:
    """Why an event led to no request: a sentence without its full stop."""

    text: str
    #: Since when that is so; None if it is unknown.
    since: datetime | None = None
    #: The delivery that is sent for the whole call; empty without one, or if it may not be seen.
    delivery_id: str = ""

    def __str__(self) -> str:
        since = f" since {self.since:%Y-%m-%d %H:%M:%S} UTC" if self.since else ""
        return f"{self.text}{since}."


def explain(
    pbx: Pbx, events: Collection[CallEvent], scope: Scope = EVERYTHING
) -> Mapping[str, Sequence[Reason]]:
    """Return why these events of the PBX have no delivery, by event ID.

    `scope`: the requests and deliveries that the reader may see.
    """
    if not events:
        return {}
    found = _Found(pbx, events, scope)
    return {event.id: tuple(found.explain(event)) for event in events}


class _Found:
    """What the database has now about some events of a PBX."""

    def __init__(self, pbx: Pbx, events: Collection[CallEvent], scope: Scope) -> None:
        rows = _read_hooks(pbx, events, scope)
        hooks = [row for row in rows if row.id is not None]
        self._sees_all = scope.has_pbx(pbx.id)
        self._numbers = {row.number for row in rows}
        self._hooks: defaultdict[tuple[str | None, EventType], list[Any]] = defaultdict(list)
        for hook in hooks:
            self._hooks[hook.number, hook.event_type].append(hook)
        self._disabled = _read_disabled([hook for hook in hooks if not hook.active])
        is_once = any(hook.scope is HookScope.CALL for hook in hooks)
        self._sent = _read_sent(pbx, events, scope) if is_once else {}

    def explain(self, event: CallEvent) -> Iterator[Reason]:
        """Yield the reasons for one event."""
        number, label = event.extension, event.event_type.label
        own = self._hooks[number, event.event_type]
        of_all = self._hooks[None, event.event_type]
        if number not in self._numbers:
            none = "" if of_all else f", and no request for {label} applies to all extensions"
            yield Reason(f"{number} is not an extension{none}")
        elif not own and not of_all:
            none = ", and none applies to all extensions" if self._sees_all else " of its own"
            yield Reason(f"{number} has no request for {label}{none}")
        for whose, hooks in ((number, own), ("all extensions", of_all)):
            yield from self._explain_hooks(event, hooks, f"for {label} of {whose}")

    def _explain_hooks(
        self, event: CallEvent, hooks: Sequence[Any], which: str
    ) -> Iterator[Reason]:
        """Yield each reason once, with the number of requests for which it is so."""
        states: Counter[tuple[State, datetime | None]] = Counter()
        sent = [self._find_sent(event, hook) for hook in hooks]
        yield from dict.fromkeys(filter(None, sent))
        for hook, reason in zip(hooks, sent, strict=True):
            if reason is None:
                since = None if hook.active else self._disabled.get(hook.event_id)
                states[_find_state(event, hook, since), since] += 1
        for ((one, many), since), count in states.items():
            subject = f"The request {which} {one}"
            yield Reason(subject if count == 1 else f"{count} requests {which} {many}", since)

    def _find_sent(self, event: CallEvent, hook: Any) -> Reason | None:
        """Return where the call's request is, if the hook is sent once per call."""
        if hook.scope is not HookScope.CALL or not event.call_id:
            return None
        near = [
            sent
            for sent in self._sent.get((event.call_id, event.event_type, _find_once_id(hook)), ())
            if abs(sent.created_at - event.received_at) < CALL_ID_REUSE_AFTER
        ]
        if near:
            return _describe_sent(near[-1])
        if event.event_type is EventType.HANGUP and hook.active:
            return Reason("Sent once, when the whole call is over")
        return None


def _find_state(event: CallEvent, hook: Any, since: datetime | None) -> State:
    """Return why a request that applies to the event has no delivery of it."""
    if hook.created_at > event.received_at:
        return _ADDED
    if hook.active:
        return _APPLIES_NOW
    if since is not None:
        return _DISABLED_SINCE
    return _DISABLED_NOW if hook.modified_at > event.received_at else _DISABLED


def _describe_sent(sent: Any) -> Reason:
    whose = f"for {sent.extension}" if sent.is_visible else "for another extension"
    if sent.state is DeliveryState.SKIPPED:
        text = f"Decided once for the call, {whose}: skipped"
    elif sent.error == SUSPENDED_ERROR:
        text = f"Decided once for the call, {whose}: the request was suspended"
    else:
        text = f"Sent once for the call, {whose}"
    return Reason(text, delivery_id=sent.id if sent.is_visible else "")


def _read_hooks(pbx: Pbx, events: Collection[CallEvent], scope: Scope) -> Sequence[Any]:
    """Return the hooks that apply to such events of these extensions, with the number.

    A known extension without one is a row without a hook. Hooks of all extensions have no number.
    """
    columns = (
        Hook.id,
        Hook.event_id,
        Hook.event_type,
        Hook.active,
        Hook.scope,
        Hook.once_id,
        Hook.created_at,
        Hook.modified_at,
    )
    applies = and_(Hook.event_type.in_({event.event_type for event in events}), scope.of_hooks())
    of_each = (
        select(Extension.number, *columns)
        .outerjoin(Hook, and_(Hook.extension_id == Extension.id, applies))
        .where(
            Extension.pbx_id == pbx.id, Extension.number.in_({event.extension for event in events})
        )
    )
    of_all = select(null(), *columns).where(
        Hook.pbx_id == pbx.id, Hook.extension_id.is_(None), applies
    )
    return db.session.execute(union_all(of_each, of_all)).all()


def _read_sent(
    pbx: Pbx, events: Collection[CallEvent], scope: Scope
) -> Mapping[tuple[str, EventType, int], Sequence[Any]]:
    """Return what was sent once for calls, by call ID, event type and what hooks share."""
    first = min(event.received_at for event in events)
    of_calls = select(CallEvent.id).where(
        CallEvent.pbx_id == pbx.id,
        CallEvent.call_id.in_({event.call_id for event in events} - {""}),
        CallEvent.received_at > first - CALL_ID_REUSE_AFTER,
    )
    rows = db.session.execute(
        select(
            Delivery.id,
            Delivery.call_id,
            Delivery.event_type,
            Delivery.extension,
            Delivery.state,
            Delivery.error,
            Delivery.created_at,
            func.coalesce(Hook.once_id, Delivery.hook_id).label("once_id"),
            scope.of_deliveries().label("is_visible"),
        )
        .outerjoin(Hook, Hook.id == Delivery.hook_id)
        .where(Delivery.call_event_id.in_(of_calls))
        .order_by(Delivery.id)
        .limit(MAX_DELIVERIES)
    )
    found: defaultdict[tuple[str, EventType, int], list[Any]] = defaultdict(list)
    for row in rows:
        found[row.call_id, row.event_type, row.once_id].append(row)
    return found


def _read_disabled(hooks: Collection[Any]) -> Mapping[str, datetime]:
    """Return when hooks were disabled, by Event ID, if that was their last change."""
    modified = {hook.event_id: hook.modified_at for hook in hooks}
    times = find_times(Action.HOOK_DISABLED, ObjectKind.HOOK, modified)
    return {
        event_id: at for event_id, at in times.items() if abs(at - modified[event_id]) < ENTRY_DELAY
    }


def _find_once_id(hook: Any) -> int:
    found: int = hook.once_id or hook.id
    return found
