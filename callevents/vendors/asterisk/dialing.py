"""What dialling and picking up tell of Asterisk's legs."""

from collections.abc import Iterable
from datetime import datetime

from callevents.enums import EventType
from callevents.vendors.asterisk.channels import Channel, is_dialled_number
from callevents.vendors.asterisk.local_channels import Channels
from callevents.vendors.tracking.events import TrackedEvent
from callevents.vendors.tracking.extension_set import ExtensionSet
from callevents.vendors.tracking.fields import Message, id_of, text_of
from callevents.vendors.tracking.legs import MAX_LEGS, Role
from callevents.vendors.tracking.tracker import Tracker

ANSWER = "ANSWER"
MAX_OWN_PHONES = 50

Events = list[TrackedEvent]


class Dialling(Tracker[Channel]):
    """The part of Asterisk's tracker that knows who calls whom; broken messages give None."""

    def __init__(self, extensions: ExtensionSet, max_legs: int = MAX_LEGS) -> None:
        super().__init__(extensions)
        self._legs: Channels = Channels(max_legs)

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


def _has_begun_itself(channel: Channel) -> bool:
    """Tell whether a phone called which, as some drivers have it, began like a called one."""
    is_fresh = not (channel.sent or channel.was_dialled or channel.is_adopted)
    return is_fresh and channel.is_root


def _number_dialled(phone: Channel, message: Message) -> str:
    """Return what a phone dialled; for a click, what the PBX dials for it."""
    if phone.exten and not phone.is_originated:
        return phone.exten
    exten = text_of(message, "Exten")
    if is_dialled_number(exten):
        return exten
    return text_of(message, "DestCallerIDNum") or text_of(message, "DialString")
