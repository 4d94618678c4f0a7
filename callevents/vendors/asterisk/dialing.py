"""The part of Asterisk's tracker that handles dialing, answers and pick-ups."""

from collections.abc import Iterable
from datetime import datetime

from callevents.enums import EventType
from callevents.vendors.asterisk.channels import Channel, is_dialed_number
from callevents.vendors.asterisk.local_channels import Channels
from callevents.vendors.asterisk.names import name_of
from callevents.vendors.tracking.events import TrackedEvent
from callevents.vendors.tracking.extension_set import ExtensionSet
from callevents.vendors.tracking.fields import Message, id_of, text_of
from callevents.vendors.tracking.legs import MAX_LEGS, Role
from callevents.vendors.tracking.tracker import Tracker

ANSWER = "ANSWER"
MAX_ORIGIN_PHONES = 50

Events = list[TrackedEvent]


class DialTracker(Tracker[Channel]):
    """Handles DialBegin, DialEnd and Pickup; handlers return None for a broken message."""

    def __init__(self, extensions: ExtensionSet, max_legs: int = MAX_LEGS) -> None:
        super().__init__(extensions)
        self._legs: Channels = Channels(max_legs)

    def _on_dial_begin(self, message: Message, at: datetime | None) -> Events | None:
        if not id_of(message, "DestUniqueid"):
            return None
        caller = self._legs.get(message.get("Uniqueid", ""))
        called = self._legs.get(message["DestUniqueid"])
        if caller is not None and (caller.role is Role.UNKNOWN or _is_unmarked_caller(caller)):
            caller.role = Role.CALLER
        events: Events = []
        for phone in self._legs.find_calling_phones(caller):
            events += self._fire_dial_out(phone, called, _find_dialed_number(phone, message), at)
        if called is not None:
            called.was_dialed, called.dialed_by = True, id_of(message, "Uniqueid")
            events += self._ring(called, caller, message, at)
        return events

    def _ring(
        self, called: Channel, caller: Channel | None, message: Message, at: datetime | None
    ) -> Iterable[TrackedEvent]:
        """Return the dial-in of a called phone; the caller's phone in a click-to-call has none."""
        if not called.extension or called.role is Role.CALLER:
            return []
        origination = self._legs.find_origination(caller)
        if not called.dialed_by or origination is not None:
            called.role, called.is_originated = Role.CALLER, True
            if origination is not None and len(origination.origin_phones) < MAX_ORIGIN_PHONES:
                origination.origin_phones.append(called.id)
            return []
        called.role = Role.CALLED
        self._set_caller(called, caller, message)
        self._legs.set_called_number(called, self.extensions)
        return self._fire(called, EventType.DIAL_IN, at)

    def _set_caller(self, called: Channel, caller: Channel | None, message: Message) -> None:
        number = text_of(message, "CallerIDNum") or text_of(message, "DestConnectedLineNum")
        phone = next(iter(self._legs.find_calling_phones(caller)), None)
        called.caller_name = name_of(message, "CallerIDName")
        if phone is not None and phone.is_originated and number != phone.extension:
            # A click-to-call may set any caller ID, for example the number that it calls.
            called.caller_name, called.shown_number = "", number
            number = phone.extension
        called.caller_number = number or (phone.extension if phone else "")
        called.peer = called.caller_number

    def _on_dial_end(self, message: Message, at: datetime | None) -> Events | None:
        if not id_of(message, "DestUniqueid"):
            return None
        caller = self._legs.get(message.get("Uniqueid", ""))
        called = self._legs.get(message["DestUniqueid"])
        status = text_of(message, "DialStatus")
        phones = self._legs.find_calling_phones(caller)
        for leg in (*phones, called):
            if leg is not None:
                leg.dial_status = status
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
            # It called a pick-up code, and the Pickup message is still in transit.
            number, name = text_of(message, "CallerIDNum"), name_of(message, "CallerIDName")
            return self._answer_pickup(called, caller.call_id, number, name, at)
        if called.has_event(EventType.DIAL_IN):
            return self._fire_answer_in(called, at)
        return []

    def _on_pickup(self, message: Message, at: datetime | None) -> Events | None:
        if not id_of(message, "Uniqueid") or not id_of(message, "TargetUniqueid"):
            return None
        picker = self._legs.get(message["Uniqueid"])
        target = self._legs.get(message["TargetUniqueid"])
        if picker is None or not picker.extension:
            return []
        call_id = target.call_id if target else id_of(message, "TargetLinkedid") or picker.call_id
        number = text_of(message, "TargetConnectedLineNum")
        name = name_of(message, "TargetConnectedLineName")
        return list(self._answer_pickup(picker, call_id, number, name, at))

    def _answer_pickup(
        self, picker: Channel, call_id: str, number: str, name: str, at: datetime | None
    ) -> Iterable[TrackedEvent]:
        """Return the answer-in of a phone that picks up a call that rings at another phone."""
        if picker.sent or picker.assumed:
            return []
        picker.role = Role.CALLED
        self._calls.move(picker, call_id)
        picker.peer = picker.caller_number = number
        picker.caller_name = name
        self._legs.set_called_number(picker, self.extensions)
        return self._fire_answer_in(picker, at)


def _is_unmarked_caller(channel: Channel) -> bool:
    """Return True for a calling phone whose channel begins like a called one (some drivers)."""
    is_fresh = not (channel.sent or channel.was_dialed or channel.is_adopted)
    return is_fresh and channel.is_root


def _find_dialed_number(phone: Channel, message: Message) -> str:
    """Return the number that a phone dialed, or that the PBX dials in a click-to-call."""
    if phone.exten and not phone.is_originated:
        return phone.exten
    exten = text_of(message, "Exten")
    if is_dialed_number(exten):
        return exten
    return text_of(message, "DestCallerIDNum") or text_of(message, "DialString")
