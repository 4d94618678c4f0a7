"""What trackers have in common: messages in, call events out; no I/O, no clock of their own."""

from collections import OrderedDict
from collections.abc import Container, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic

from callevents.enums import CallStatus, EventType
from callevents.vendors.tracking.events import Hangup, TrackedEvent, make_event
from callevents.vendors.tracking.extension_set import ExtensionSet
from callevents.vendors.tracking.fields import Message
from callevents.vendors.tracking.legs import MAX_LEGS, Leg, Legs, LegT, Role
from callevents.vendors.tracking.restored_leg import RestoredLeg

#: So many hangups are remembered: a list of running calls may still name such a leg.
MAX_ENDED = 1000


@dataclass
class Counts:
    """What became of the messages."""

    messages: int = 0
    #: Of a kind that tells nothing of call events.
    ignored: int = 0
    #: Without what a message of their kind must have.
    broken: int = 0
    events: int = 0


class Tracker(Generic[LegT]):
    """Follows the calls of one PBX.

    Give every message to `feed` in the order in which they came. When the connection is lost call
    `interrupted`, and after the next one is made give the PBX's list of running calls to `adopt`
    (within the stream, `feed` finds such a list itself): what runs is taken over without events,
    what ended meanwhile is hung up.
    """

    def __init__(self, extensions: ExtensionSet, max_legs: int = MAX_LEGS) -> None:
        #: May be replaced while calls run; it counts for legs that begin afterwards.
        self.extensions = extensions
        self.counts = Counts()
        self._legs: Legs[LegT] = Legs(max_legs)
        self._ended: OrderedDict[str, None] = OrderedDict()

    @property
    def running(self) -> int:
        """How many legs are being followed."""
        return len(self._legs)

    @property
    def dropped(self) -> int:
        """How many legs were dropped because they never ended."""
        return self._legs.dropped

    def feed(self, message: Message, at: datetime | None = None) -> list[TrackedEvent]:
        """Return the call events that follow from the message.

        `at` counts for messages that do not carry their time.
        """
        raise NotImplementedError

    def adopt(self, rows: Iterable[Message], at: datetime | None = None) -> list[TrackedEvent]:
        """Take over the running calls; return the hangups of what ended while we were away."""
        raise NotImplementedError

    def restore(self, legs: Iterable[RestoredLeg]) -> None:
        """Follow legs that were followed before; whether they still run, a list has to tell."""
        raise NotImplementedError

    def interrupted(self) -> None:
        """Note that messages may be missing from now on: legs may end unseen."""
        for leg in self._legs:
            leg.is_doubtful, leg.is_listed = True, False

    def _pass_time(self, at: datetime | None) -> None:
        for leg in self._legs.pass_time(at):
            self._forget(leg)

    def _keep(self, leg: LegT) -> None:
        """Follow the leg, in place of an earlier one with this id."""
        if (known := self._legs.get(leg.id)) is not None:
            self._legs.remove(known)
            self._forget(known)
        for dropped in self._legs.add(leg):
            self._forget(dropped)

    def _note_end(self, leg_id: str) -> LegT | None:
        """Remember that this leg has ended; return it if it was followed."""
        self._ended[leg_id] = None
        if len(self._ended) > MAX_ENDED:
            self._ended.popitem(last=False)
        return self._legs.get(leg_id)

    def _hang_up_missing(self, running: Container[str], at: datetime | None) -> list[TrackedEvent]:
        """Return the hangups of the legs that ended while nothing could be heard of them."""
        gone = [leg for leg in self._legs if leg.is_doubtful and leg.id not in running]
        return [event for leg in gone for event in self._fire_hangup(leg, at, _end_of(leg))]

    def _forget(self, leg: LegT) -> None:
        """Let go what refers to a leg that has ended or was dropped."""

    def _fire(
        self, leg: LegT, event_type: EventType, at: datetime | None
    ) -> Iterable[TrackedEvent]:
        """Return the event, unless it was sent for this leg already."""
        if event_type in leg.sent or not leg.extension:
            return []
        leg.sent.add(event_type)
        self.counts.events += 1
        return [make_event(leg, event_type, at)]

    def _fire_dial_out(
        self, leg: LegT, called: LegT | None, number: str, at: datetime | None
    ) -> Iterable[TrackedEvent]:
        """Return the dial-out of a phone for which another leg is called, if it is its first."""
        if leg.role is not Role.CALLER or _is_later(leg, EventType.DIAL_OUT, called):
            return []
        leg.peer = leg.called_number = number
        return self._fire(leg, EventType.DIAL_OUT, at)

    def _fire_answer_in(self, leg: LegT, at: datetime | None) -> Iterable[TrackedEvent]:
        return self._fire_answer(leg, EventType.ANSWER_IN, at)

    def _fire_answer_out(
        self, leg: LegT, called: LegT | None, at: datetime | None
    ) -> Iterable[TrackedEvent]:
        """Return the answer of the leg that was called for this phone, if it is the first."""
        if leg.role is not Role.CALLER or not leg.has_had(EventType.DIAL_OUT):
            return []
        if _is_later(leg, EventType.ANSWER_OUT, called):
            return []
        return self._fire_answer(leg, EventType.ANSWER_OUT, at)

    def _fire_answer(
        self, leg: LegT, event_type: EventType, at: datetime | None
    ) -> Iterable[TrackedEvent]:
        if event_type not in leg.sent:
            # An announcement or a code may have been answered before; the other party counts.
            leg.is_answered, leg.answered_at = True, at
        return self._fire(leg, event_type, at)

    def _fire_hangup(self, leg: LegT, at: datetime | None, hangup: Hangup) -> list[TrackedEvent]:
        """Forget the leg; return its hangup if anything was sent for it before."""
        self._legs.remove(leg)
        self._forget(leg)
        if not leg.extension or not (leg.sent or leg.assumed):
            return []
        self.counts.events += 1
        return [make_event(leg, EventType.HANGUP, at, hangup)]


def _is_later(leg: Leg, event_type: EventType, called: Leg | None) -> bool:
    """Tell whether the phone has had this event, so that this is a transfer's or the like.

    What was only assumed, because it was on its way when the list was made, comes now.
    """
    if event_type in leg.sent:
        return True
    return event_type in leg.assumed and not (called is not None and called.is_listed)


def _end_of(leg: Leg) -> Hangup:
    """Return how a leg ended of which only that is known."""
    return Hangup(status=CallStatus.ANSWER if leg.is_answered else None)
