"""Call events out of Asterisk's AMI messages."""

from collections.abc import Callable, Iterable
from datetime import datetime

from callevents.enums import EventType
from callevents.pbx.asterisk import adoption
from callevents.pbx.asterisk.chains import Channels
from callevents.pbx.asterisk.channels import (
    Channel,
    endpoint_of,
    is_dialled_number,
)
from callevents.pbx.causes import find_status
from callevents.pbx.extensions import ExtensionSet
from callevents.pbx.legs import MAX_LEGS, Role
from callevents.pbx.tracking import TrackedEvent, Tracker
from callevents.pbx.values import Message, cause_of, id_of, moment_of, text_of

RING, UP = "4", "6"
ANSWER = "ANSWER"
MAX_OWN_PHONES = 50

Events = list[TrackedEvent]
Handler = Callable[[Message, datetime | None], Events | None]


class AsteriskTracker(Tracker[Channel]):
    """Follows the calls of one Asterisk by its AMI events of the class `call`."""

    def __init__(self, extensions: ExtensionSet, max_legs: int = MAX_LEGS) -> None:
        super().__init__(extensions)
        self._legs: Channels = Channels(max_legs)
        self._rows: list[Message] = []
        self._handlers: dict[str, Handler] = {
            "Newchannel": self._begin,
            "DialBegin": self._dial_begin,
            "DialEnd": self._dial_end,
            "Pickup": self._pick_up,
            "Hangup": self._end,
            "CoreShowChannel": self._collect,
            "CoreShowChannelsComplete": self._adopt_collected,
        }

    def feed(self, message: Message, at: datetime | None = None) -> Events:
        """Return the call events that follow from the message."""
        self.counts.messages += 1
        at = moment_of(message, "Timestamp") or at
        self._pass_time(at)
        self._hear(message, at)
        handler = self._handlers.get(message.get("Event", ""))
        if handler is None:
            self.counts.ignored += 1
            return []
        events = handler(message, at)
        self.counts.broken += events is None
        return events or []

    def adopt(self, rows: Iterable[Message], at: datetime | None = None) -> Events:
        """Take over the channels of a CoreShowChannels list; hang up those that ended unseen."""
        running = {uid: row for row in rows if (uid := id_of(row, "Uniqueid"))}
        events = self._hang_up_missing(running, at)
        for uid, row in running.items():
            leg = self._legs.get(uid)
            if leg is None and uid not in self._ended:
                leg = self._new_channel(uid, row)
                self._keep(leg)
                adoption.take_over(leg, row, is_new=True)
            elif leg is not None and leg.is_doubtful:
                adoption.take_over(leg, row, is_new=False)
                self._legs.hear(leg)
        return events

    def interrupted(self) -> None:
        """Note that messages may be missing from now on: legs may end unseen."""
        super().interrupted()
        self._rows.clear()

    def _hear(self, message: Message, at: datetime | None) -> None:
        for prefix in ("", "Dest"):
            leg = self._legs.get(message.get(prefix + "Uniqueid", ""))
            if leg is None or message.get("Event") == "CoreShowChannel":
                continue
            self._legs.hear(leg)
            if number := text_of(message, prefix + "ConnectedLineNum"):
                leg.connected_number = number
            if message.get(prefix + "ChannelState") == UP:
                leg.answer(at)

    def _begin(self, message: Message, at: datetime | None) -> Events | None:
        uid = id_of(message, "Uniqueid")
        if not uid or not text_of(message, "Channel"):
            return None
        if self._legs.get(uid) is None:
            self._keep(self._new_channel(uid, message))
        return []

    def _new_channel(self, uid: str, message: Message) -> Channel:
        name = text_of(message, "Channel")
        linked = id_of(message, "Linkedid") or uid
        endpoint = endpoint_of(name)
        exten = text_of(message, "Exten")
        states = {RING: Role.CALLER, "0": Role.CALLED}
        return Channel(
            id=uid,
            call_id=linked,
            name=name,
            extension=endpoint if endpoint in self.extensions else "",
            role=states.get(message.get("ChannelState", ""), Role.UNKNOWN),
            exten=exten if is_dialled_number(exten) else "",
            is_root=linked == uid,
            caller_number=text_of(message, "CallerIDNum"),
            caller_name=text_of(message, "CallerIDName"),
        )

    def _keep(self, leg: Channel) -> None:
        super()._keep(leg)
        self._legs.index(leg)

    def _forget(self, leg: Channel) -> None:
        self._legs.forget(leg)

    def _dial_begin(self, message: Message, at: datetime | None) -> Events | None:
        if not id_of(message, "DestUniqueid"):
            return None
        caller = self._legs.get(message.get("Uniqueid", ""))
        called = self._legs.get(message["DestUniqueid"])
        if caller is not None and (caller.role is Role.UNKNOWN or _has_begun_itself(caller)):
            caller.role = Role.CALLER
        events: Events = []
        for phone in self._legs.calling_phones(caller):
            events += self._fire_dial_out(phone, called, _number_dialled(phone, message), at)
        if called is not None:
            called.was_dialled, called.dialled_by = True, id_of(message, "Uniqueid")
            events += self._ring(called, caller, message, at)
        return events

    def _ring(
        self, called: Channel, caller: Channel | None, message: Message, at: datetime | None
    ) -> Iterable[TrackedEvent]:
        """Return the dial-in of a called phone; the own phone of a click gets none."""
        if not called.extension or called.role is Role.CALLER:
            return []
        click = self._legs.find_click(caller)
        if not called.dialled_by or click is not None:
            called.role, called.is_originated = Role.CALLER, True
            if click is not None and len(click.own_phones) < MAX_OWN_PHONES:
                click.own_phones.append(called.id)
            return []
        called.role = Role.CALLED
        called.caller_number = called.peer = (
            text_of(message, "CallerIDNum")
            or text_of(message, "DestConnectedLineNum")
            or next((phone.extension for phone in self._legs.calling_phones(caller)), "")
        )
        called.caller_name = text_of(message, "CallerIDName")
        self._legs.note_what_was_called(called)
        return self._fire(called, EventType.DIAL_IN, at)

    def _dial_end(self, message: Message, at: datetime | None) -> Events | None:
        if not id_of(message, "DestUniqueid"):
            return None
        caller = self._legs.get(message.get("Uniqueid", ""))
        called = self._legs.get(message["DestUniqueid"])
        status = text_of(message, "DialStatus")
        phones = self._legs.calling_phones(caller)
        for phone in phones:
            phone.dial_status = status
        if status != ANSWER:
            return []
        events: Events = []
        if called is not None and called.extension:
            events += self._answer(called, caller, message, at)
        for phone in phones:
            events += self._fire_answer_out(phone, called, at)
        return events

    def _answer(
        self, called: Channel, caller: Channel | None, message: Message, at: datetime | None
    ) -> Iterable[TrackedEvent]:
        if called.is_originated:
            called.is_ready = True
            return []
        if called.role is Role.CALLER and caller is not None:
            # It called a pick-up code, and the Pickup itself is still on its way.
            number, name = text_of(message, "CallerIDNum"), text_of(message, "CallerIDName")
            return self._take_call(called, caller.call_id, number, name, at)
        if called.has_had(EventType.DIAL_IN):
            return self._fire_answer_in(called, at)
        return []

    def _pick_up(self, message: Message, at: datetime | None) -> Events | None:
        if not id_of(message, "Uniqueid") or not id_of(message, "TargetUniqueid"):
            return None
        picker = self._legs.get(message["Uniqueid"])
        target = self._legs.get(message["TargetUniqueid"])
        if picker is None or not picker.extension:
            return []
        call_id = target.call_id if target else id_of(message, "TargetLinkedid") or picker.call_id
        number = text_of(message, "TargetConnectedLineNum")
        name = text_of(message, "TargetConnectedLineName")
        return list(self._take_call(picker, call_id, number, name, at))

    def _take_call(
        self, picker: Channel, call_id: str, number: str, name: str, at: datetime | None
    ) -> Iterable[TrackedEvent]:
        """Return the answer of a phone that takes a call which rings elsewhere."""
        if picker.sent or picker.assumed:
            return []
        picker.role, picker.call_id = Role.CALLED, call_id
        picker.peer = picker.caller_number = number
        picker.caller_name = name
        self._legs.note_what_was_called(picker)
        return self._fire_answer_in(picker, at)

    def _end(self, message: Message, at: datetime | None) -> Events | None:
        uid = id_of(message, "Uniqueid")
        if not uid:
            return None
        leg = self._note_end(uid)
        if leg is None:
            return []
        if "ChannelState" in message:
            leg.is_answered = message["ChannelState"] == UP
        if leg.role is Role.CALLED:
            leg.peer = leg.connected_number or leg.peer
        cause = cause_of(message, "Cause")
        return self._fire_hangup(
            leg,
            at,
            cause=cause,
            cause_name=text_of(message, "Cause-txt"),
            status=find_status(cause, is_answered=leg.is_answered, dial_status=leg.dial_status),
        )

    def _collect(self, message: Message, at: datetime | None) -> Events:
        self._rows.append(message)
        del self._rows[: -self._legs.limit]
        return []

    def _adopt_collected(self, message: Message, at: datetime | None) -> Events:
        rows, self._rows = self._rows, []
        return self.adopt(rows, at)


def _has_begun_itself(channel: Channel) -> bool:
    """Tell whether a phone called which, as some drivers have it, began like a called one."""
    return channel.is_root and not channel.was_dialled and not channel.is_adopted


def _number_dialled(phone: Channel, message: Message) -> str:
    """Return what a phone dialled; for a click, what the PBX dials for it."""
    if phone.exten and not phone.is_originated:
        return phone.exten
    exten = text_of(message, "Exten")
    if is_dialled_number(exten):
        return exten
    return text_of(message, "DestCallerIDNum") or text_of(message, "DialString")
