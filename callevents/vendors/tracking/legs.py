"""Legs, the running parts of calls, in bounded memory."""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Generic, TypeVar

from callevents.enums import EventType

#: After this time without a message, a leg is assumed to have ended.
MAX_IDLE = timedelta(days=1)
#: More than any PBX has at once. Beyond it, the leg that is idle longest is dropped.
MAX_LEGS = 20_000


class Role(Enum):
    """The role of a leg's phone in the call."""

    CALLER = "caller"
    CALLED = "called"
    UNKNOWN = "unknown"


@dataclass(slots=True, kw_only=True)
class Leg:
    """The part of a call that is one phone's, trunk's or internal channel's."""

    id: str
    call_id: str
    #: Empty if the leg is not an extension's.
    extension: str = ""
    role: Role = Role.UNKNOWN
    #: The caller's phone in a click-to-call: the PBX rings it first.
    is_originated: bool = False
    #: The other party's number: the number dialed, or the caller's.
    peer: str = ""
    caller_number: str = ""
    caller_name: str = ""
    called_number: str = ""
    called_did: str = ""
    #: The queue in which the caller waited when it rang.
    queue: str = ""
    #: The events sent. Each event is sent once for a leg.
    sent: set[EventType] = field(default_factory=set)
    #: The events that happened before the leg was found in a list of running calls.
    assumed: set[EventType] = field(default_factory=set)
    is_answered: bool = False
    #: None if the answer was not seen.
    answered_at: datetime | None = None
    #: Found in a list of running calls; its beginning was not seen.
    is_adopted: bool = False
    #: In the latest list of running calls.
    is_listed: bool = False
    #: The connection was lost while it ran, and no message has mentioned it since.
    is_unconfirmed: bool = False
    #: The connection was lost while it ran, and no list of running calls has shown it since.
    was_cut: bool = False
    last_seen_at: datetime | None = None

    def has_event(self, event_type: EventType) -> bool:
        """Return True if the event was sent or is assumed to have happened."""
        return event_type in self.sent or event_type in self.assumed

    def assume(self, *event_types: EventType) -> None:
        """Note that these events happened before, so that they are not sent."""
        self.assumed |= set(event_types) - self.sent

    def answer(self, at: datetime | None) -> None:
        """Mark the leg as answered; the first time counts."""
        if not self.is_answered:
            self.is_answered, self.answered_at = True, at


LegT = TypeVar("LegT", bound=Leg)


class Legs(Generic[LegT]):
    """The running legs by ID. Those idle for a day and those above the limit are dropped."""

    def __init__(self, limit: int = MAX_LEGS) -> None:
        self._legs: OrderedDict[str, LegT] = OrderedDict()
        self.limit = limit
        self._latest: datetime | None = None
        self._now: datetime | None = None
        #: How many legs were dropped because no message ended them.
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._legs)

    def __iter__(self) -> Iterator[LegT]:
        return iter(list(self._legs.values()))

    def get(self, leg_id: str) -> LegT | None:
        """Return the leg; None if it is unknown or has ended."""
        return self._legs.get(leg_id)

    def add(self, leg: LegT) -> list[LegT]:
        """Add the leg; return the legs dropped for it."""
        leg.last_seen_at = self._now
        self._legs[leg.id] = leg
        return [self._drop_oldest()] if len(self._legs) > self.limit else []

    def touch(self, leg: LegT) -> None:
        """Note that a message mentioned the leg."""
        leg.last_seen_at = self._now
        leg.is_unconfirmed = False
        self._legs.move_to_end(leg.id)

    def remove(self, leg: LegT) -> None:
        """Remove a leg that has ended."""
        self._legs.pop(leg.id, None)

    def drop_expired(self, at: datetime | None) -> list[LegT]:
        """Drop and return the legs that have been idle for MAX_IDLE at this message's time."""
        if at is None:
            return []
        # One message with a wrong time must not end calls: two consecutive ones must agree.
        earlier, self._latest = self._latest or at, at
        self._set_clock(min(earlier, at))
        dropped = []
        while self._legs and self._longest_idle() > MAX_IDLE:
            dropped.append(self._drop_oldest())
        return dropped

    def _set_clock(self, now: datetime) -> None:
        """Set the current time; if the PBX's clock went back, all legs are idle from then on."""
        if self._now is None or self._now - now > MAX_IDLE:
            for leg in self._legs.values():
                leg.last_seen_at = now
        self._now = now

    def _longest_idle(self) -> timedelta:
        """Return how long the leg that is idle longest has been idle."""
        last_seen_at = next(iter(self._legs.values())).last_seen_at
        return self._now - last_seen_at if self._now and last_seen_at else timedelta()

    def _drop_oldest(self) -> LegT:
        self.dropped += 1
        return self._legs.popitem(last=False)[1]
