"""A delivery's life against a small model: whatever happens in whatever order, the rules hold."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar

import pytest
from hypothesis import settings as examples
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import delete, func, select, update

from callevents.config.settings import Settings
from callevents.db.models import (
    GIVE_UP_SECONDS,
    Attempt,
    CallEvent,
    Delivery,
    Hook,
    Pbx,
    new_id,
    utc_now,
)
from callevents.db.session import begin_write, write_transaction
from callevents.delivery.claim import Claim
from callevents.delivery.expiry import fail_expired
from callevents.delivery.http.client import Response
from callevents.delivery.log import resend
from callevents.delivery.outcomes import Outcome, record
from callevents.enums import DeliveryState, EventType
from callevents.extensions import db
from callevents.hooks import hooks
from callevents.ingest.accept import accept
from callevents.ingest.report import Report
from tests.conftest import Configure
from tests.support.claims import LEASE, claim, load

PENDING, DELIVERED = DeliveryState.PENDING, DeliveryState.DELIVERED
HELD = DeliveryState.HELD
FAILED, CANCELLED = DeliveryState.FAILED, DeliveryState.CANCELLED
BEGAN = utc_now()
AGE = timedelta(hours=2)
AGES = (timedelta(minutes=1), AGE)
EVENTS = (EventType.DIAL_IN, EventType.HANGUP)
CALLS = ("c1", "c2")
#: Timeouts are frequent here, and the breaker has its own test.
SETTINGS = Settings(breaker_failures=1000)
ANSWERS = {
    "success": (200, ""),
    "refusal": (403, "The receiver returned 403 Forbidden."),
    "failure": (503, "The receiver returned 503 Service Unavailable."),
    "gone": (410, "The receiver returned 410 Gone."),
    "silence": (None, "No response within 10 seconds."),
    "interrupted": (None, "The worker stopped during this attempt."),
}


@dataclass
class Modelled:
    """The model's state of a delivery."""

    id: str
    call: str
    place: tuple[datetime, str]
    hook_id: int
    expires_at: datetime
    state: DeliveryState = PENDING
    attempts: int = 0
    fence: int = 0
    leased_until: datetime | None = None
    waits_until: datetime | None = None
    errors: list[str] = field(default_factory=list)

    @property
    def is_unfinished(self) -> bool:
        """True if it waits, or is being sent."""
        return self.state in (PENDING, HELD)

    def is_leased(self, now: datetime) -> bool:
        """Return True if a worker has it."""
        return self.leased_until is not None and self.leased_until > now


class Machine(RuleBasedStateMachine):
    """Two hooks of one origin, events of two calls, workers that die, and time that passes."""

    pbx: ClassVar[Pbx]
    hook_ids: ClassVar[dict[EventType, int]]
    claims: Bundle[Claim] = Bundle("claims")

    def __init__(self) -> None:
        super().__init__()
        self.now = BEGAN
        self.known: dict[str, Modelled] = {}
        self.fences: set[tuple[str, int]] = set()
        self.disabled: set[int] = set()
        begin_write()
        db.session.execute(delete(CallEvent))
        db.session.execute(update(Hook).values(active=True))
        db.session.commit()

    @rule(
        call=st.sampled_from(CALLS),
        place=st.integers(0, 9),
        event=st.sampled_from(EVENTS),
        age=st.sampled_from(AGES),
    )
    def report(self, call: str, place: int, event: EventType, age: timedelta) -> None:
        """Something happens in a call; it may be reported after later events."""
        happened_at = BEGAN + timedelta(seconds=place)
        begin_write()
        [accepted] = accept(
            self.pbx,
            [
                Report(
                    event_type=event,
                    extension="101",
                    call_id=call,
                    leg_id=new_id(),
                    at=happened_at,
                )
            ],
        )
        assert accepted.deliveries == (self.hook_ids[event] not in self.disabled)
        if not accepted.deliveries:
            db.session.commit()
            return
        delivery_id = db.session.scalars(
            select(Delivery.id).where(Delivery.call_event_id == accepted.id)
        ).one()
        db.session.execute(
            update(Delivery)
            .where(Delivery.id == delivery_id)
            .values(due_at=self.now, created_at=self.now, expires_at=self.now + age)
        )
        db.session.commit()
        self.known[delivery_id] = Modelled(
            delivery_id,
            call,
            (happened_at, delivery_id),
            self.hook_ids[event],
            self.now + age,
        )

    @rule(target=claims, limit=st.integers(1, 5))
    def work(self, limit: int) -> Any:
        """A worker claims: only what is open, first of its call, due, and with no other worker."""
        claimed = claim(limit, self.now)
        for delivery_id, fence in claimed.items():
            one = self.known[delivery_id]
            assert one.state is PENDING
            assert not one.is_leased(self.now)
            assert one.waits_until is None or one.waits_until <= self.now
            assert one.place == min(self.open_places(one.call)), "the order of the call"
            assert fence == one.fence + 1
            assert (delivery_id, fence) not in self.fences
            self.fences.add((delivery_id, fence))
            one.fence, one.leased_until, one.waits_until = fence, self.now + LEASE, None
        return multiple(*load(claimed))

    @rule(target=claims)
    def take_over(self) -> Any:
        """A delivery whose lease ended is claimed by another worker, while the first goes on."""
        self.now += LEASE
        return self.work(5)

    @rule(claimed=consumes(claims), kind=st.sampled_from(sorted(ANSWERS)))
    def attempt_ends(self, claimed: Claim, kind: str) -> None:
        """An attempt ends, in time or long after its lease; its worker records it once."""
        status, error = ANSWERS[kind]
        response = Response(self.now, 1, error, status, is_unreachable=kind == "silence")
        outcome = Outcome(claimed, response, interrupted=kind == "interrupted")
        with write_transaction(db.engine) as connection:
            record(connection, [outcome], self.now, SETTINGS)
        one = self.known[claimed.delivery_id]
        one.attempts += 1
        one.errors.append(error)
        if kind == "success":
            one.state, one.leased_until = DELIVERED, None
        elif one.is_unfinished and one.fence == claimed.fence:
            self.failed(one, kind)

    def failed(self, one: Modelled, kind: str) -> None:
        """Record the failure of the attempt that counts."""
        one.leased_until = None
        stored = self.stored()[one.id]
        if kind == "gone":
            one.state = FAILED
        elif kind == "interrupted":
            one.waits_until = self.now
        elif stored.state is FAILED:
            # Even the shortest wait, or a long one, may be too long for what is left.
            assert stored.error.endswith("the next attempt would be too late.")
            longest = timedelta(seconds=1.2 * max(SETTINGS.retry_schedule_seconds))
            assert self.now + longest > one.expires_at
            one.state = FAILED
        else:
            assert self.now < stored.due_at <= one.expires_at
            one.waits_until = stored.due_at

    @rule(seconds=st.sampled_from([0.5, 5, 20, 31, 700, 4000]))
    def time_passes(self, seconds: float) -> None:
        """Leases end, retries become due, ages are reached."""
        self.now += timedelta(seconds=seconds)

    @rule(event=st.sampled_from(EVENTS), active=st.booleans())
    def set_active(self, event: EventType, active: bool) -> None:
        """A user disables a hook, which holds its open deliveries, or enables it."""
        hook_id = self.hook_ids[event]
        begin_write()
        hooks.set_active(db.session.get_one(Hook, hook_id), active=active)
        db.session.commit()
        self.disabled -= {hook_id}
        self.disabled |= set() if active else {hook_id}
        for one in self.known.values():
            if one.hook_id == hook_id and one.is_unfinished:
                one.state = PENDING if active else HELD

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def send_again(self, data: st.DataObject) -> None:
        """A user resends a delivery: its age starts again, or it is due now if it waits."""
        one = self.pick(data)
        begin_write()
        done = resend.resend([one.id], self.now)
        db.session.commit()
        is_sending = one.is_unfinished and one.is_leased(self.now)
        assert done.changed == (not is_sending and one.hook_id not in self.disabled)
        if done.changed and one.state is not PENDING:
            one.state, one.fence = PENDING, one.fence + 1
            one.expires_at = self.now + timedelta(seconds=GIVE_UP_SECONDS)
        if done.changed:
            one.leased_until = one.waits_until = None

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        """A user cancels a delivery, also while it is being sent."""
        one = self.pick(data)
        begin_write()
        done = resend.cancel([one.id], self.now)
        db.session.commit()
        assert done.changed == one.is_unfinished
        if one.is_unfinished:
            one.state, one.leased_until = CANCELLED, None

    def pick(self, data: st.DataObject) -> Modelled:
        """Return one of the deliveries."""
        return self.known[data.draw(st.sampled_from(sorted(self.known)))]

    @rule()
    def sweep(self) -> None:
        """A worker fails expired deliveries that no worker has."""
        with write_transaction(db.engine) as connection:
            fail_expired(connection, self.now)
        for one in self.known.values():
            is_over = one.expires_at < self.now and not one.is_leased(self.now)
            if one.is_unfinished and is_over:
                one.state, one.leased_until = FAILED, None

    @precondition(lambda self: self.known)
    @invariant()
    def stored_is_modelled(self) -> None:
        """State, attempts and fence are as the model has them; attempts have no gaps."""
        stored = self.stored()
        assert stored.keys() == self.known.keys()
        numbers = dict(
            db.session.execute(
                select(Attempt.delivery_id, func.group_concat(Attempt.number)).group_by(
                    Attempt.delivery_id
                )
            ).all()
        )
        for one in self.known.values():
            row = stored[one.id]
            assert (row.state, row.attempts, row.fence) == (one.state, one.attempts, one.fence)
            assert (row.finished_at is None) == one.is_unfinished
            assert (row.claimed_at is None) or one.is_unfinished
            assert (row.state is HELD) <= (row.hook_id in self.disabled), "none is forgotten"
            found = sorted(map(int, numbers.get(one.id, "").split(","))) if one.attempts else []
            assert found == list(range(1, one.attempts + 1))

    def teardown(self) -> None:
        """Nothing is stuck: if all goes well from here, everything open arrives, in order."""
        for event in EVENTS:
            self.set_active(event, active=True)
        for _ in range(60):
            if all(one.state is not PENDING for one in self.known.values()):
                break
            self.time_passes(31)
            for one in self.known.values():
                one.expires_at = self.now + AGE
            with write_transaction(db.engine) as connection:
                connection.execute(
                    update(Delivery)
                    .where(Delivery.state == PENDING)
                    .values(expires_at=self.now + AGE)
                )
            for claimed in load(claim(5, self.now)):
                one = self.known[claimed.delivery_id]
                assert one.place == min(self.open_places(one.call))
                one.fence, one.waits_until = one.fence + 1, None
                self.attempt_ends(claimed, "success")
            self.time_passes(700)
        self.stored_is_modelled()
        assert all(one.state is not PENDING for one in self.known.values())

    def open_places(self, call: str) -> list[tuple[datetime, str]]:
        """Return the places of what is open of the call."""
        return [
            one.place for one in self.known.values() if one.state is PENDING and one.call == call
        ]

    def stored(self) -> dict[str, Delivery]:
        """Return the deliveries as they are stored now."""
        db.session.rollback()
        return {one.id: one for one in db.session.scalars(select(Delivery))}


@pytest.mark.slow
@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
def test_life_of_deliveries(pbx: Pbx, configure: Configure) -> None:
    """Hypothesis looks for an order of things that breaks a rule."""
    configure.extension("101")
    Machine.pbx = pbx
    Machine.hook_ids = {
        event: configure.hook("*", event, f"http://crm.example.com/{event.slug}").id
        for event in EVENTS
    }
    run_state_machine_as_test(
        Machine, settings=examples(max_examples=18, stateful_step_count=25, deadline=None)
    )
