"""The in-flight registry: queues of claims, and the slots that work on them."""

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from callevents.delivery.in_flight import AHEAD_SECONDS, MAX_AHEAD, STALLED_SECONDS, InFlight

origins = st.integers(1, 3)


def make_claim(number: int, origin_id: int = 1) -> Any:
    """Return a claim with the fields that the registry needs."""
    return SimpleNamespace(delivery_id=f"d{number}", origin_id=origin_id, is_probe=False)


class Work(RuleBasedStateMachine):
    """Threads come and go in any order; no claim is left without one, none is made twice."""

    def __init__(self) -> None:
        super().__init__()
        self.in_flight = InFlight()
        self.number = 0
        self.slots: list[int] = []
        self.lines: dict[int, list[Any]] = {1: [], 2: [], 3: []}
        self.held: list[Any] = []

    @rule(origin_id=origins, count=st.integers(1, 5), slots=st.integers(0, 3))
    def register(self, origin_id: int, count: int, slots: int) -> None:
        """Claims come."""
        claims = [make_claim(self.number + one, origin_id) for one in range(count)]
        self.number += count
        has_slots = origin_id in self.slots
        started = self.in_flight.register(origin_id, claims, slots)
        assert started <= max(slots, 0 if has_slots else 1)
        assert started <= count
        self.slots += [origin_id] * started
        self.lines[origin_id] += claims
        self.held += claims

    @rule(data=st.data())
    def next(self, data: st.DataObject) -> None:
        """A thread asks for its next claim."""
        if not self.slots:
            return
        origin_id = data.draw(st.sampled_from(self.slots))
        line = self.lines[origin_id]
        claim = self.in_flight.next(origin_id)
        if line:
            assert claim is line.pop(0)
        else:
            assert claim is None
            self.slots.remove(origin_id)

    @rule(chosen=st.none() | st.sets(origins))
    def remove_queued(self, chosen: set[int] | None) -> None:
        """Queued claims are released."""
        found = self.in_flight.remove_queued(chosen)
        expected = []
        for origin_id, line in self.lines.items():
            if chosen is None or origin_id in chosen:
                expected += line
                line.clear()
        assert sorted(one.delivery_id for one in found) == sorted(
            one.delivery_id for one in expected
        )
        self.held = [one for one in self.held if one not in expected]

    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        """An outcome is recorded."""
        waiting = [one for line in self.lines.values() for one in line]
        if begun := [one for one in self.held if one not in waiting]:
            claim = data.draw(st.sampled_from(begun))
            self.in_flight.release([claim])
            self.held.remove(claim)

    @invariant()
    def agrees(self) -> None:
        """Every queue has a thread, and the numbers are right."""
        assert self.in_flight.count_busy() == {
            origin_id: self.slots.count(origin_id) for origin_id in set(self.slots)
        }
        assert all(origin_id in self.slots for origin_id, line in self.lines.items() if line)
        assert self.in_flight.claims() == self.held
        assert bool(self.in_flight) == bool(self.held)


TestWork = Work.TestCase
TestWork.settings = hypothesis_settings(max_examples=60, stateful_step_count=40)


@pytest.mark.parametrize(
    ("seconds", "slots", "room"),
    [
        (AHEAD_SECONDS / 4, 2, 8),
        (0.0, 1, 50),
        (0.0, 16, MAX_AHEAD),
        (AHEAD_SECONDS, 16, 0),
        (10.0, 16, 0),
        (None, 16, 0),
    ],
    ids=["quick", "at once", "bounded", "slow", "hanging", "unknown"],
)
def test_ahead_limit(seconds: float | None, slots: int, room: int) -> None:
    """A fast origin's slots have claims ahead; those of a slow or unknown one have none."""
    in_flight = InFlight()
    if seconds is not None:
        in_flight.record_duration(1, seconds)
    assert in_flight.ahead_limit(1, slots) == room
    line = [make_claim(number) for number in range(3)]
    started = in_flight.register(1, line, 1)
    assert in_flight.ahead_limit(1, slots - started) == max(0, room - len(line))


def test_probes_stay() -> None:
    """Probes stay in the queue of an origin; a stopping worker removes all claims."""
    in_flight = InFlight()
    probe = make_claim(1)
    probe.is_probe = True
    in_flight.register(1, [probe, make_claim(2)], 1)
    assert [one.delivery_id for one in in_flight.remove_queued({1, 2})] == ["d2"]
    assert in_flight.has_queued()
    assert [one.delivery_id for one in in_flight.remove_queued()] == ["d1"]
    assert not in_flight.has_queued()


def test_stalled_queues() -> None:
    """A queue that does not move for a while is stalled."""
    now = [100.0]
    in_flight = InFlight(clock=lambda: now[0])
    for origin_id in (1, 2):
        in_flight.register(
            origin_id, [make_claim(origin_id * 10 + n, origin_id) for n in range(3)], 1
        )
        assert in_flight.next(origin_id)
    assert in_flight.find_stalled() == set()
    now[0] += STALLED_SECONDS * 0.9
    assert in_flight.next(2)
    now[0] += STALLED_SECONDS * 0.9
    assert in_flight.find_stalled() == {1}
    in_flight.remove_queued({1})
    assert in_flight.find_stalled() == set()


def test_one_slow_answer_is_soon_believed() -> None:
    """An origin that begins to hang has nothing ahead after its first timeout."""
    in_flight = InFlight()
    for _ in range(100):
        in_flight.record_duration(1, 0.002)
    assert in_flight.ahead_limit(1, 4) == MAX_AHEAD
    in_flight.record_duration(1, 10.0)
    assert in_flight.ahead_limit(1, 4) == 0


def test_limits_of_slots() -> None:
    """Of two that divide the same free slots, the second one gets what is left."""
    in_flight = InFlight(slots=3, slots_per_origin=2)
    assert in_flight.register(1, [make_claim(1, 1), make_claim(2, 1)], 2) == 2
    assert in_flight.register(1, [make_claim(3, 1)], 2) == 0
    assert in_flight.register(2, [make_claim(4, 2), make_claim(5, 2)], 2) == 1


def test_queue_that_does_not_move_takes_no_room() -> None:
    """A receiver that begins to hang does not keep the others' deliveries from being taken."""
    now = [0.0]
    in_flight = InFlight(clock=lambda: now[0])
    in_flight.register(1, [make_claim(one, 1) for one in range(3)], 1)
    in_flight.next(1)
    assert in_flight.count_queued() == 2
    now[0] += AHEAD_SECONDS * 2
    assert in_flight.count_queued() == 0


def test_limit_of_an_origin() -> None:
    """An origin with its own limit gets no more slots, also if the limit becomes lower."""
    caps = {1: 2}
    in_flight = InFlight(slots_per_origin=4, find_cap=caps.get)
    assert in_flight.register(1, [make_claim(one) for one in range(6)], 6) == 2
    assert in_flight.register(2, [make_claim(one, 2) for one in range(10, 16)], 6) == 4
    for _ in range(2):
        assert in_flight.next(1) is not None
    caps[1] = 1
    assert in_flight.next(1) is None, "one of the two ends"
    assert in_flight.count_busy()[1] == 1
    left = [in_flight.next(1) for _ in range(5)]
    assert [claim is not None for claim in left] == [True, True, True, True, False]
    assert 1 not in in_flight.count_busy()
