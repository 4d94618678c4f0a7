"""The running calls: which legs each has, and the queue in which its caller waits."""

from dataclasses import dataclass, field
from datetime import datetime

from callevents.ingest.report import CallOver
from callevents.vendors.tracking.legs import Leg

#: More than end between two messages. Beyond it, the oldest is forgotten: its end is sent later.
MAX_ENDED = 1000


@dataclass(slots=True)
class RunningCall:
    """A call of which a leg runs."""

    leg_ids: set[str] = field(default_factory=set)
    #: True if it has had an event, perhaps while an earlier listener ran.
    has_events: bool = False
    #: The queue in which the caller waits now; empty without one.
    queue: str = ""
    #: The queue in which the caller waited last.
    last_queue: str = ""
    is_abandoned: bool = False

    def join_queue(self, name: str) -> None:
        """Note that the caller waits in this queue."""
        self.queue = self.last_queue = name
        self.is_abandoned = False

    def leave_queue(self) -> None:
        """Note that the caller does not wait any more: somebody answered, or the time was up."""
        self.queue = ""


class RunningCalls:
    """The running calls by ID. There are no more of them than legs."""

    def __init__(self) -> None:
        self._calls: dict[str, RunningCall] = {}
        self._ended: dict[str, RunningCall] = {}

    def __len__(self) -> int:
        return len(self._calls)

    def add(self, leg: Leg) -> None:
        """Add a leg to its call."""
        call = self._calls.get(leg.call_id) or self._ended.pop(leg.call_id, None) or RunningCall()
        self._calls[leg.call_id] = call
        call.leg_ids.add(leg.id)
        call.has_events |= _may_have_events(leg)

    def remove(self, leg: Leg) -> None:
        """Remove a leg from its call, which ends with its last leg."""
        call = self._calls.get(leg.call_id)
        if call is None:
            return
        call.leg_ids.discard(leg.id)
        call.has_events |= _may_have_events(leg)
        if not call.leg_ids:
            del self._calls[leg.call_id]
            if call.has_events:
                self._ended[leg.call_id] = call
                if len(self._ended) > MAX_ENDED:
                    del self._ended[next(iter(self._ended))]

    def move(self, leg: Leg, call_id: str) -> None:
        """Let the leg belong to another call; one that is not followed yet is not added."""
        call = self._calls.get(leg.call_id)
        is_followed = call is not None and leg.id in call.leg_ids
        if is_followed:
            self.remove(leg)
        leg.call_id = call_id
        if is_followed:
            self.add(leg)

    def find(self, leg: Leg | None) -> RunningCall | None:
        """Return the call of a leg; None without one."""
        return None if leg is None else self._calls.get(leg.call_id)

    def take_ended(self, at: datetime) -> list[CallOver]:
        """Return the calls that have ended since the last time, once."""
        ended, self._ended = self._ended, {}
        return [
            CallOver(call_id, at, call.last_queue, is_abandoned=call.is_abandoned)
            for call_id, call in ended.items()
        ]


def _may_have_events(leg: Leg) -> bool:
    """Return True if the leg has had an event, or its call, of which the beginning was not seen."""
    return bool(leg.sent or leg.assumed) or leg.is_adopted
