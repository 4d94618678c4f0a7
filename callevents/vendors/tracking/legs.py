"""Legs: what is known of each running part of a call, in bounded memory."""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Generic, TypeVar

from callevents.enums import EventType

#: A leg of which nothing was heard for so long has ended without a word.
LONGEST_SILENCE = timedelta(days=1)
#: More legs than any PBX has at once; what comes beyond drops the one silent for longest.
MAX_LEGS = 20_000


class Role(Enum):
    """Whether the phone of a leg calls, or is called."""

    CALLER = "caller"
    CALLED = "called"
    UNKNOWN = "unknown"


@dataclass(slots=True, kw_only=True)
class Leg:
    """One phone's, trunk's or inner channel's part of a call."""

    id: str
    call_id: str
    #: Empty for a leg that is none of an extension.
    extension: str = ""
    role: Role = Role.UNKNOWN
    #: The own phone of somebody who calls by a click: the PBX rings it first.
    is_originated: bool = False
    #: The other party's number: what a caller dialled, or who calls.
    peer: str = ""
    caller_number: str = ""
    caller_name: str = ""
    called_number: str = ""
    called_did: str = ""
    #: What was sent already. Each event is sent once for a leg.
    sent: set[EventType] = field(default_factory=set)
    #: What must have been before the leg was found in a list of running calls.
    assumed: set[EventType] = field(default_factory=set)
    is_answered: bool = False
    #: None where the answer was not seen.
    answered_at: datetime | None = None
    #: Taken over from a list of running calls, without having seen its beginning.
    is_adopted: bool = False
    #: In the newest list of running calls.
    is_listed: bool = False
    #: The connection was cut while it ran, and nothing was heard of it since.
    is_doubtful: bool = False
    heard_at: datetime | None = None

    def has_had(self, event_type: EventType) -> bool:
        """Tell whether this event has been, as far as is known."""
        return event_type in self.sent or event_type in self.assumed

    def assume(self, *event_types: EventType) -> None:
        """Take it that these events have been."""
        self.assumed |= set(event_types) - self.sent

    def answer(self, at: datetime | None) -> None:
        """Note that the leg is answered, and when that was first seen."""
        if not self.is_answered:
            self.is_answered, self.answered_at = True, at


LegT = TypeVar("LegT", bound=Leg)


class Legs(Generic[LegT]):
    """The running legs by id; those silent for a day, and those above the limit, are dropped."""

    def __init__(self, limit: int = MAX_LEGS) -> None:
        self._legs: OrderedDict[str, LegT] = OrderedDict()
        self.limit = limit
        self._latest: datetime | None = None
        self._now: datetime | None = None
        #: How many never ended, as far as was seen.
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._legs)

    def __iter__(self) -> Iterator[LegT]:
        return iter(list(self._legs.values()))

    def get(self, leg_id: str) -> LegT | None:
        """Return the leg, None if it is unknown or has ended."""
        return self._legs.get(leg_id)

    def add(self, leg: LegT) -> list[LegT]:
        """Keep the leg; return what had to go for it."""
        leg.heard_at = self._now
        self._legs[leg.id] = leg
        return [self._drop_oldest()] if len(self._legs) > self.limit else []

    def hear(self, leg: LegT) -> None:
        """Note that the PBX said something of the leg."""
        leg.heard_at = self._now
        leg.is_doubtful = False
        self._legs.move_to_end(leg.id)

    def remove(self, leg: LegT) -> None:
        """Forget the leg, because it has ended."""
        self._legs.pop(leg.id, None)

    def pass_time(self, at: datetime | None) -> list[LegT]:
        """Drop and return the legs that were silent for a day at this message's time."""
        if at is None:
            return []
        # A single message with a wrong time must not end calls: two have to agree.
        earlier, self._latest = self._latest or at, at
        self._set_clock(min(earlier, at))
        dropped = []
        while self._legs and self._silence() > LONGEST_SILENCE:
            dropped.append(self._drop_oldest())
        return dropped

    def _set_clock(self, now: datetime) -> None:
        """Go by this time; if the PBX's clock was put back, count silence from there."""
        if self._now is None or self._now - now > LONGEST_SILENCE:
            for leg in self._legs.values():
                leg.heard_at = now
        self._now = now

    def _silence(self) -> timedelta:
        """Return for how long nothing was heard of the leg silent for longest."""
        heard_at = next(iter(self._legs.values())).heard_at
        return self._now - heard_at if self._now and heard_at else timedelta()

    def _drop_oldest(self) -> LegT:
        self.dropped += 1
        return self._legs.popitem(last=False)[1]
