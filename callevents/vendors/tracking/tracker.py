"""Base class of the trackers: messages in, call events out. No I/O, no clock."""

from collections import OrderedDict
from collections.abc import Container, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic

from callevents.enums import CallStatus, EventType
from callevents.ingest.report import CallOver
from callevents.vendors.tracking.events import Hangup, TrackedEvent, make_event
from callevents.vendors.tracking.extension_set import ExtensionSet
from callevents.vendors.tracking.fields import Message
from callevents.vendors.tracking.legs import MAX_LEGS, Leg, Legs, LegT, Role
from callevents.vendors.tracking.restored_leg import RestoredLeg
from callevents.vendors.tracking.running_calls import RunningCalls

#: Hangups are remembered because a list of running calls may still contain such a leg.
MAX_ENDED = 1000


@dataclass
class Counts:
    """Number of messages by result."""

    messages: int = 0
    #: Of a kind that is irrelevant to call events.
    ignored: int = 0
    #: Without a field that a message of their kind must have.
    broken: int = 0
    events: int = 0
    #: Legs that began and ended while disconnected, at most, if the PBX lets us know.
    unseen_legs: int = 0


class Tracker(Generic[LegT]):
    """Follows the calls of one PBX.

    Pass every message to `feed` in order, and call `handle_disconnect` when the connection is lost.
    After reconnecting, pass the PBX's list of running calls to `adopt` (`feed` recognises such a
    list in the stream): running calls are adopted without events, ended ones get their hangups.
    """

    def __init__(self, extensions: ExtensionSet, max_legs: int = MAX_LEGS) -> None:
        #: May be replaced at any time; applies to legs that begin afterwards.
        self.extensions = extensions
        self.counts = Counts()
        self._legs: Legs[LegT] = Legs(max_legs)
        self._ended: OrderedDict[str, None] = OrderedDict()
        self._calls = RunningCalls()

    @property
    def running(self) -> int:
        """Number of legs being followed."""
        return len(self._legs)

    @property
    def running_calls(self) -> int:
        """Number of calls of which a leg is being followed."""
        return len(self._calls)

    @property
    def dropped(self) -> int:
        """Number of legs dropped because no message ended them."""
        return self._legs.dropped

    def feed(self, message: Message, at: datetime | None = None) -> list[TrackedEvent]:
        """Return the call events derived from the message.

        `at` is used for messages without a time.
        """
        raise NotImplementedError

    def adopt(self, rows: Iterable[Message], at: datetime | None = None) -> list[TrackedEvent]:
        """Adopt the running calls; return the hangups of those that ended while disconnected."""
        raise NotImplementedError

    def restore(self, legs: Iterable[RestoredLeg]) -> None:
        """Follow legs of an earlier listener; the next list confirms those that still run."""
        raise NotImplementedError

    def take_ended_calls(self, at: datetime) -> list[CallOver]:
        """Return the calls that have ended since the last time, once: their last leg is gone.

        `at` is the time of the message that was fed last.
        """
        return self._calls.take_ended(at)

    def handle_disconnect(self) -> None:
        """Mark all legs as unconfirmed: from now on, they may end unseen."""
        for leg in self._legs:
            leg.is_unconfirmed, leg.was_cut, leg.is_listed = True, True, False

    def _drop_expired(self, at: datetime | None) -> None:
        for leg in self._legs.drop_expired(at):
            self._clean_up(leg)

    def _add(self, leg: LegT) -> None:
        """Follow the leg; it replaces an earlier one with the same ID."""
        if (known := self._legs.get(leg.id)) is not None:
            self._legs.remove(known)
            self._clean_up(known)
        self._calls.add(leg)
        for dropped in self._legs.add(leg):
            self._clean_up(dropped)

    def _record_end(self, leg_id: str) -> LegT | None:
        """Remember that this leg has ended; return it if it was followed."""
        self._ended[leg_id] = None
        if len(self._ended) > MAX_ENDED:
            self._ended.popitem(last=False)
        return self._legs.get(leg_id)

    def _hang_up_missing(self, running: Container[str], at: datetime | None) -> list[TrackedEvent]:
        """Return the hangups of the unconfirmed legs that are not running any more."""
        gone = [leg for leg in self._legs if leg.is_unconfirmed and leg.id not in running]
        return [event for leg in gone for event in self._fire_hangup(leg, at, _end_of(leg))]

    def _clean_up(self, leg: LegT) -> None:
        """Remove references to a leg that has ended or was dropped."""
        self._calls.remove(leg)

    def _fire(
        self, leg: LegT, event_type: EventType, at: datetime | None, *, is_late: bool = False
    ) -> Iterable[TrackedEvent]:
        """Return the event, unless it was already sent for this leg."""
        if event_type in leg.sent or not leg.extension:
            return []
        leg.sent.add(event_type)
        self.counts.events += 1
        if (call := self._calls.find(leg)) is not None and call.queue:
            leg.queue = call.queue
        return [make_event(leg, event_type, at, is_late=is_late)]

    def _fire_missed(
        self, leg: LegT, answer: EventType | None, at: datetime | None
    ) -> Iterable[TrackedEvent]:
        """Return the answer that a list of running calls shows, of a leg that rang before."""
        if answer is None:
            return []
        # Its time is unknown, and so is the duration, whatever else has answered before.
        leg.is_answered, leg.answered_at = True, None
        return self._fire(leg, answer, at, is_late=True)

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
        """Return the answer-out of this phone when its called leg answers, if it is the first."""
        if leg.role is not Role.CALLER or not leg.has_event(EventType.DIAL_OUT):
            return []
        if _is_later(leg, EventType.ANSWER_OUT, called):
            return []
        return self._fire_answer(leg, EventType.ANSWER_OUT, at)

    def _fire_answer(
        self, leg: LegT, event_type: EventType, at: datetime | None
    ) -> Iterable[TrackedEvent]:
        if event_type not in leg.sent:
            # An announcement or a code may have answered before; the other party counts.
            leg.is_answered, leg.answered_at = True, at
        return self._fire(leg, event_type, at)

    def _fire_hangup(self, leg: LegT, at: datetime | None, hangup: Hangup) -> list[TrackedEvent]:
        """Remove the leg; return its hangup if it has had an event."""
        self._legs.remove(leg)
        self._clean_up(leg)
        if not leg.extension or not (leg.sent or leg.assumed):
            return []
        self.counts.events += 1
        return [make_event(leg, EventType.HANGUP, at, hangup)]


def _is_later(leg: Leg, event_type: EventType, called: Leg | None) -> bool:
    """Return True if the phone has had this event: it is now a transfer's or the like.

    An event that was only assumed may have been in transit when the list was made: it is new.
    """
    if event_type in leg.sent:
        return True
    return event_type in leg.assumed and not (called is not None and called.is_listed)


def _end_of(leg: Leg) -> Hangup:
    """Return the hangup of a leg that ended unseen."""
    status = CallStatus.ANSWER if leg.is_answered else CallStatus.NOANSWER
    return Hangup(status=status, is_late=True)
