"""Deliveries of hooks that are sent once per call, however many extensions it rings.

The first dial and the first answer that apply to such a hook are sent. The end of the whole call is
one delivery: it waits for a moment after the last hangup, and is withdrawn if the call goes on.
docs/calls.md has the rules.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from json import dumps
from types import SimpleNamespace
from typing import Any

from callevents.config.settings import Settings
from callevents.db.models import Pbx
from callevents.db.models.event import REPORTED
from callevents.enums import DeliveryState, EventType, HookScope
from callevents.ingest.history import CALL_ID_REUSE_AFTER
from callevents.ingest.once_per_call_rows import (
    UNSENT,
    Key,
    Sent,
    lock_calls,
    read_sent,
    remove_untouched,
    store,
    withdraw,
)
from callevents.ingest.report import CallOver
from callevents.ingest.statements import EXTENSIONS, HISTORY, HOOKS, run
from callevents.ingest.whole_call import WholeCall

#: A listener says when a call is over. The end waits this long for it, in case the listener died.
FOLLOWED_GRACE = timedelta(minutes=10)
#: Calls whose events are read together: the statement returns a limited number of events.
CALLS_AT_ONCE = 50
#: Of the ends that copies of a hook would have, the one that is kept.
_BEST_FIRST = (DeliveryState.PENDING, DeliveryState.FAILED, DeliveryState.SKIPPED)

Row = dict[str, Any]
#: An event's row, a hook, and the values of the whole call as JSON.
MakeDelivery = Callable[[Row, Any, str], Row]


@dataclass(frozen=True)
class Batch:
    """New events of one PBX that are being stored, and what the listener says of its calls."""

    pbx: Pbx
    rows: Sequence[Row]
    #: By number, of the extensions that the events mention.
    extension_ids: Mapping[str, str]
    overs: Mapping[str, CallOver]
    #: The calls that a listener follows.
    followed: Collection[str]
    now: datetime

    @property
    def since(self) -> datetime:
        """Older events with the same call ID are of another call."""
        return self.now - CALL_ID_REUSE_AFTER


class OncePerCall:
    """Makes the deliveries of a batch to hooks that are sent once per call.

    They are made after the batch's other deliveries, so that the end of a call is the last one of
    its call. So nothing waits behind one that may still be withdrawn.
    """

    def __init__(self, batch: Batch, make_delivery: MakeDelivery, settings: Settings) -> None:
        self._batch = batch
        self._make_delivery = make_delivery
        self._grace = timedelta(seconds=settings.call_end_seconds)
        self._sent: dict[Key, Sent] = {}
        self._new: dict[Key, str] = {}
        self._withdrawn: set[Key] = set()

    def make(self, matches: Iterable[tuple[Row, Any]], *, has_ends: bool) -> list[Row]:
        """Return the deliveries, after withdrawing the ends of calls that go on.

        `matches`: events with each hook that applies to them and is sent once per call. `has_ends`:
        a hook of the PBX wants the ends of calls.
        """
        deliveries: list[Row] = []
        firsts = []
        for row, hook in matches:
            if not row["call_id"]:
                deliveries.append(self._make_single(row, hook))
            elif row["event_type"] is not EventType.HANGUP:
                firsts.append((row, hook))
        calls = {row["call_id"] for row, _ in firsts}
        if has_ends:
            calls |= {row["call_id"] for row in self._batch.rows} | self._batch.overs.keys()
        if calls := calls - {""}:
            lock_calls(self._batch.pbx.id, calls)
            self._sent = read_sent(self._batch.pbx.id, calls, self._batch.since)
            deliveries += self._make_firsts(firsts)
            deliveries += self._make_ends(calls) if has_ends else []
            store(self._batch.pbx.id, self._new, self._withdrawn, self._batch.now)
        return deliveries

    def _make_single(self, row: Row, hook: Any) -> Row:
        """Return the delivery of an event without a call ID, which is a call of its own."""
        values = ""
        if row["event_type"] is EventType.HANGUP:
            values = _write(WholeCall([SimpleNamespace(**row, at=row["happened_at"])]))
        return self._make_delivery(row, hook, values)

    def _make_firsts(self, matches: Iterable[tuple[Row, Any]]) -> Iterable[Row]:
        """Return the deliveries of each call's first dial and first answer.

        One that was not sent, because the hook is suspended or its conditions are not met, is
        replaced by the next one that is sent.
        """
        deliveries: dict[Key, Row] = {}
        for row, hook in sorted(matches, key=lambda one: (one[0]["happened_at"], one[0]["id"])):
            key = (row["call_id"], _find_once_id(hook))
            sent = self._sent.get(key)
            if sent is not None and sent.unsent is None:
                continue
            delivery = self._make_delivery(row, hook, "")
            state = delivery["state"]
            if sent is None or _BEST_FIRST.index(state) < _BEST_FIRST.index(sent.unsent):
                # One that is stored could be sent again, as a second one of its call.
                if sent and key not in deliveries and not _remove_suspended(sent):
                    self._sent[key] = Sent(sent.delivery_id)
                    continue
                unsent = state if state in UNSENT else None
                self._sent[key] = Sent(delivery["id"], unsent)
                self._new[key] = delivery["id"]
                deliveries[key] = delivery
        return deliveries.values()

    def _make_ends(self, calls: Collection[str]) -> Iterable[Row]:
        """Withdraw the ends that wait, and return those of the calls that are over.

        An end that no enabled hook would make again is kept while it is held or can be resent.
        """
        stopped = {call_id for (call_id, _), one in self._sent.items() if one.is_stopped}
        found = {one.events[0].call_id: one for one in self._read_calls(calls)}
        wanted = {key: one for key, one in found.items() if one.is_over or key in stopped}
        numbers: Mapping[str | None, str] = {}
        groups: Mapping[Key, Sequence[Any]] = {}
        if wanted:
            extension_ids = self._find_extension_ids(wanted.values())
            numbers = {extension_id: number for number, extension_id in extension_ids.items()}
            groups = _group(wanted, self._find_end_hooks(extension_ids.values()), numbers)
        self._withdrawn = withdraw(
            {key: one for key, one in self._sent.items() if key in groups or not one.is_stopped}
        )
        for key in self._withdrawn:
            del self._sent[key]
        for key, hooks in groups.items():
            call = wanted[key[0]]
            if call.is_over and key not in self._sent and key not in self._new:
                delivery = self._make_best_end(call, hooks, numbers)
                self._new[key] = delivery["id"]
                yield delivery

    def _make_best_end(
        self, call: WholeCall, hooks: Iterable[Any], numbers: Mapping[str | None, str]
    ) -> Row:
        """Return the end of the first of these hooks that sends it.

        If none does, one of a suspended hook, which can be resent, or one that was skipped.
        """
        ends: dict[DeliveryState, Row] = {}
        for hook in hooks:
            end = self._make_end(call, hook, numbers.get(hook.extension_id, call.extension))
            ends.setdefault(end["state"], end)
            if DeliveryState.PENDING in ends:
                break
        return min(ends.values(), key=lambda end: _BEST_FIRST.index(end["state"]))

    def _make_end(self, call: WholeCall, hook: Any, number: str) -> Row:
        event = call.find_event(number)
        row = {name: getattr(event, name) for name in REPORTED}
        row |= {"id": event.id, "happened_at": call.ended_at, "event_type": EventType.HANGUP}
        delivery = self._make_delivery(row, hook, _write(call))
        if event.call_id not in self._batch.overs and delivery["state"] is DeliveryState.PENDING:
            grace = FOLLOWED_GRACE if event.call_id in self._batch.followed else self._grace
            delivery["due_at"] += grace
            delivery["expires_at"] += grace
        return delivery

    def _read_calls(self, calls: Collection[str]) -> Iterable[WholeCall]:
        """Return the calls with their events, also those of this batch."""
        batch = self._batch
        ids = sorted(calls)
        for start in range(0, len(ids), CALLS_AT_ONCE):
            some = ids[start : start + CALLS_AT_ONCE]
            found = run(HISTORY, {"pbx_id": batch.pbx.id, "call_ids": some, "since": batch.since})
            events: dict[str, list[Any]] = {}
            for event in found:
                events.setdefault(event.call_id, []).append(event)
            for call_id, own in events.items():
                over = batch.overs.get(call_id)
                yield WholeCall(own, over, is_followed=call_id in batch.followed)

    def _find_extension_ids(self, calls: Iterable[WholeCall]) -> Mapping[str, str]:
        """Return the IDs of the extensions of these calls, by number."""
        known = self._batch.extension_ids
        numbers = {number for call in calls for number in call.extensions} - known.keys()
        if not numbers:
            return known
        found = run(EXTENSIONS, {"pbx_id": self._batch.pbx.id, "numbers": list(numbers)})
        return {**known, **{row.number: row.id for row in found}}

    def _find_end_hooks(self, extension_ids: Iterable[str]) -> Sequence[Any]:
        """Return the hooks that are sent once at the end of a call of these extensions."""
        parameters = {
            "pbx_id": self._batch.pbx.id,
            "event_types": [EventType.HANGUP],
            "extension_ids": list(extension_ids),
        }
        hooks = {hook.id: hook for hook in run(HOOKS, parameters)}
        return [hook for _, hook in sorted(hooks.items()) if hook.scope is HookScope.CALL]


def _remove_suspended(sent: Sent) -> bool:
    """Remove the delivery of a suspended hook; return False if somebody sends it again now."""
    return sent.unsent is not DeliveryState.FAILED or bool(remove_untouched([sent.delivery_id]))


def _find_once_id(hook: Any) -> int:
    """Return the ID that hooks share which are sent once per call together."""
    found: int = hook.once_id or hook.id
    return found


def _group(
    calls: Mapping[str, WholeCall], hooks: Sequence[Any], numbers: Mapping[str | None, str]
) -> Mapping[Key, Sequence[Any]]:
    """Return the hooks for the end of each call; those that are sent once together are a group.

    That of the extension which answered is the first of its group.
    """
    groups: dict[Key, list[Any]] = {}
    for call_id, call in sorted(calls.items()):
        own = [hook for hook in hooks if numbers.get(hook.extension_id) == call.extension]
        for hook in dict.fromkeys([*own, *hooks]):
            if hook.extension_id is None or numbers.get(hook.extension_id) in call.extensions:
                groups.setdefault((call_id, _find_once_id(hook)), []).append(hook)
    return groups


def _write(call: WholeCall) -> str:
    return dumps(call.values(), ensure_ascii=False)
