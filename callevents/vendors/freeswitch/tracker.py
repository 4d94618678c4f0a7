"""Derives call events from FreeSWITCH's event socket messages."""

from collections.abc import Callable, Iterable
from datetime import datetime

from callevents.enums import EventType
from callevents.vendors.freeswitch import resync
from callevents.vendors.freeswitch.channels import (
    MAX_RINGING,
    Channel,
    find_root,
    is_abandoned,
    parent_id_of,
    presence_of,
    queue_of,
)
from callevents.vendors.freeswitch.esl import BODY
from callevents.vendors.tracking.causes import find_status
from callevents.vendors.tracking.events import Hangup, TrackedEvent
from callevents.vendors.tracking.extension_set import ExtensionSet
from callevents.vendors.tracking.fields import (
    Message,
    cause_of,
    id_of,
    moment_of,
    seconds_of,
    text_of,
)
from callevents.vendors.tracking.legs import MAX_LEGS, Role
from callevents.vendors.tracking.restored_leg import RestoredLeg
from callevents.vendors.tracking.tracker import Tracker

#: The field of a message that has its time, and its units per second.
CLOCK = ("Event-Date-Timestamp", 1_000_000)

Events = list[TrackedEvent]
Handler = Callable[[Message, str, datetime | None], Events]


class FreeswitchTracker(Tracker[Channel]):
    """Follows the calls of one FreeSWITCH by the channel events of its event socket."""

    def __init__(self, extensions: ExtensionSet, max_legs: int = MAX_LEGS) -> None:
        super().__init__(extensions, max_legs)
        self._handlers: dict[str, Handler] = {
            "CHANNEL_CREATE": self._on_new_channel,
            "CHANNEL_ANSWER": self._on_answer,
            "CHANNEL_BRIDGE": self._on_bridge,
            "CHANNEL_HANGUP_COMPLETE": self._on_hangup,
        }

    def feed(self, message: Message, at: datetime | None = None) -> Events:
        """Return the call events derived from the message."""
        self.counts.messages += 1
        at = moment_of(message, *CLOCK) or at
        self._drop_expired(at)
        if BODY in message:
            return self._adopt_reply(message, at)
        uid = id_of(message, "Unique-ID")
        if (leg := self._legs.get(uid)) is not None:
            self._legs.touch(leg)
        handler = self._handlers.get(message.get("Event-Name", ""))
        if handler is None:
            self.counts.ignored += 1
            return []
        if not uid:
            self.counts.broken += 1
            return []
        return handler(message, uid, at)

    def adopt(self, rows: Iterable[Message], at: datetime | None = None) -> Events:
        """Adopt the channels of a `show channels` list; return what happened while disconnected.

        That is the hangups of the missing ones, and the answers of those that rang.
        """
        running = {uid: row for row in rows if (uid := id_of(row, "uuid"))}
        events = self._hang_up_missing(running, at)
        calls = resync.Calls(running)
        for uid, row in running.items():
            leg = self._legs.get(uid)
            if leg is None and uid not in self._ended:
                leg = resync.new_channel(row, self.extensions)
                self._add(leg)
                calls.adopt(leg, row)
            elif leg is not None and leg.was_cut:
                if not leg.name:
                    resync.complete(leg, row, self.extensions)
                events += self._fire_missed(leg, calls.find_missed_answer(leg, row), at)
                calls.adopt(leg, row)
                leg.was_cut = False
                self._legs.touch(leg)
        return events

    def restore(self, legs: Iterable[RestoredLeg]) -> None:
        """Follow legs of an earlier listener; the next list confirms those that still run."""
        for leg in legs:
            self._add(Channel(name="", is_inbound=leg.role is Role.CALLER, **leg.leg_fields()))

    def _adopt_reply(self, message: Message, at: datetime | None) -> Events:
        """Adopt the channels, if this is the reply to `show channels as json`."""
        rows = resync.read_rows(message[BODY])
        if rows is None:
            self.counts.ignored += 1
            return []
        return self.adopt(rows, at)

    def _on_new_channel(self, message: Message, uid: str, at: datetime | None) -> Events:
        known = self._legs.get(uid)
        if known is not None and not known.is_adopted:
            return []
        channel = self._new_channel(message, uid)
        self._add(channel)
        if channel.queue and (call := self._calls.find(channel)):
            call.last_queue = channel.queue
        if channel.is_inbound or not channel.parent_id:
            return []
        events = list(self._ring(channel, message, at))
        root = find_root(self._legs, channel.parent_id)
        for caller in (self._legs.get(channel.parent_id), root):
            _note_ringing(caller, channel)
        if root is not None:
            events += self._fire_dial_out(root, channel, _find_dialed_number(root, message), at)
        return events

    def _new_channel(self, message: Message, uid: str) -> Channel:
        is_inbound = message.get("Call-Direction") == "inbound"
        parent_id = parent_id_of(message)
        channel = Channel(
            id=uid,
            call_id=id_of(message, "Channel-Call-UUID") or uid,
            name=text_of(message, "Channel-Name"),
            is_inbound=is_inbound,
            number=text_of(message, "Caller-Destination-Number"),
            parent_id=parent_id,
            partner_id=id_of(message, "variable_other_loopback_leg_uuid"),
            caller_number=text_of(message, "Caller-Caller-ID-Number"),
            caller_name=text_of(message, "Caller-Caller-ID-Name"),
            queue=queue_of(message),
        )
        if not channel.is_loopback:
            channel.role = Role.CALLED if parent_id and not is_inbound else Role.CALLER
            channel.is_originated = not parent_id and not is_inbound
            channel.extension = self.extensions.find(presence_of(message))
        root = find_root(self._legs, parent_id or channel.partner_id)
        self._set_called_number(channel, root)
        return channel

    def _set_called_number(self, channel: Channel, root: Channel | None) -> None:
        if root is not None:
            self._calls.move(channel, root.call_id)
            channel.called_number = root.called_number
            channel.called_did = root.called_did
        elif channel.is_inbound:
            channel.called_number = channel.number
            channel.called_did = "" if channel.extension else channel.number

    def _ring(
        self, channel: Channel, message: Message, at: datetime | None
    ) -> Iterable[TrackedEvent]:
        if not channel.extension:
            return []
        channel.peer = channel.caller_number or text_of(message, "Other-Leg-Caller-ID-Number")
        return self._fire(channel, EventType.DIAL_IN, at)

    def _on_answer(self, message: Message, uid: str, at: datetime | None) -> Events:
        channel = self._legs.get(uid)
        if channel is None:
            return []
        channel.answer(at)
        events: Events = []
        if channel.has_event(EventType.DIAL_IN):
            events += self._fire_answer_in(channel, at)
        if not channel.is_inbound and channel.parent_id:
            root = find_root(self._legs, channel.parent_id)
            for caller in (self._legs.get(channel.parent_id), root):
                if caller is not None:
                    caller.stop_ringing()
            if root is not None:
                events += self._fire_answer_out(root, channel, at)
        return events

    def _on_bridge(self, message: Message, uid: str, at: datetime | None) -> Events:
        """Return the answers of a picked-up call; only its bridge is visible."""
        one = self._legs.get(id_of(message, "Bridge-A-Unique-ID") or uid)
        other = self._legs.get(
            id_of(message, "Bridge-B-Unique-ID") or id_of(message, "Other-Leg-Unique-ID")
        )
        if one is None or other is None:
            return []
        for picker, caller in ((one, other), (other, one)):
            if _may_pick_up(picker) and (caller.ringing or caller.was_picked_off):
                return self._pick_up(picker, caller, at)
        return []

    def _pick_up(self, picker: Channel, caller: Channel, at: datetime | None) -> Events:
        root = find_root(self._legs, caller.id) or caller
        for channel in (caller, root):
            channel.stop_ringing()
        picker.role = Role.CALLED
        picker.peer = picker.caller_number = root.caller_number
        picker.caller_name = root.caller_name
        self._set_called_number(picker, root)
        return [*self._fire_answer_in(picker, at), *self._fire_answer_out(root, None, at)]

    def _on_hangup(self, message: Message, uid: str, at: datetime | None) -> Events:
        channel = self._record_end(uid)
        if channel is None:
            return []
        name = text_of(message, "Hangup-Cause")
        self._stop_ringing(channel, is_picked_off=name == "PICKED_OFF")
        if is_abandoned(message) and (call := self._calls.find(channel)):
            call.is_abandoned = True
        seconds = seconds_of(message, "variable_billsec")
        channel.is_answered = channel.is_answered or bool(seconds)
        cause = cause_of(message, "variable_hangup_cause_q850")
        status = find_status(cause, is_answered=channel.is_answered, name=name)
        hangup = Hangup(cause=cause, cause_name=name, status=status, duration_seconds=seconds)
        return self._fire_hangup(channel, at, hangup)

    def _stop_ringing(self, channel: Channel, *, is_picked_off: bool) -> None:
        root = find_root(self._legs, channel.parent_id)
        for caller in (self._legs.get(channel.parent_id), root):
            if caller is not None and channel.id in caller.ringing:
                caller.ringing.discard(channel.id)
                caller.was_picked_off = is_picked_off

    def _clean_up(self, leg: Channel) -> None:
        super()._clean_up(leg)
        self._stop_ringing(leg, is_picked_off=False)


def _note_ringing(caller: Channel | None, channel: Channel) -> None:
    if caller is not None and len(caller.ringing) < MAX_RINGING:
        caller.has_called = True
        caller.was_picked_off = False
        caller.ringing.add(channel.id)


def _may_pick_up(channel: Channel) -> bool:
    """Return True for a phone that called, with no leg called for it: it dialed a pick-up code."""
    if not channel.extension or not channel.is_inbound or channel.role is not Role.CALLER:
        return False
    return not (channel.sent or channel.assumed or channel.has_called)


def _find_dialed_number(root: Channel, message: Message) -> str:
    """Return the number that a phone dialed, or that the PBX dials in a click-to-call."""
    if not root.is_originated:
        return root.number
    number = text_of(message, "Other-Leg-Destination-Number")
    if number and number != root.extension:
        return number
    return text_of(message, "Caller-Destination-Number")
