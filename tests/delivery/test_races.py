"""What happens at the same time: workers, people and reports at once, without a deadlock.

Each of these runs many times, because the bad moment is short. Where two transactions waited for
each other, PostgreSQL would end one of them with an error, which is what these tests look for.
"""

import threading
from collections.abc import Callable
from datetime import timedelta
from random import Random

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from callevents.config.settings import Settings
from callevents.db.models import Attempt, Delivery, Hook, Pbx, utc_now
from callevents.db.session import begin_write, write_transaction
from callevents.delivery import hold
from callevents.delivery.circuit_breaker import note_responses
from callevents.delivery.claim import renew_leases
from callevents.delivery.hold import IS_WAITING
from callevents.delivery.http.client import Response
from callevents.delivery.load_claims import finish_without_attempt
from callevents.delivery.outcomes import Outcome, record
from callevents.delivery.suspend import note_health
from callevents.enums import DeliveryState, EventType
from callevents.extensions import db
from callevents.hooks import hooks
from callevents.ingest.accept import accept
from callevents.ingest.report import Report
from tests.conftest import Configure
from tests.delivery.conftest import MakeEngine, ReportEvents, get_delivery
from tests.support.claims import LEASE, claim, load
from tests.support.log_capture import Logged
from tests.support.receiver import Arrival, Receiver, Reply
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

NOW = utc_now()
SUCCESS, SILENCE = Response(NOW, 1, "", 200), Response(NOW, 1, "Nothing.", is_unreachable=True)
GONE = Response(NOW, 1, "Gone.", 410)
SETTINGS = Settings(breaker_failures=2)
ROUNDS = 25


def run_together(app: Flask, *works: Callable[[], None]) -> None:
    """Run each in a thread of its own, all beginning at once; fail if any of them does."""
    start = threading.Barrier(len(works))
    errors: list[BaseException] = []

    def run(work: Callable[[], None]) -> None:
        with app.app_context():
            start.wait()
            try:
                work()
            except BaseException as error:  # noqa: BLE001  # shown below
                errors.append(error)
            finally:
                db.session.remove()

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def repeat(work: Callable[[], None]) -> Callable[[], None]:
    """Return what does the work many times."""

    def many() -> None:
        for _ in range(ROUNDS):
            work()

    return many


@pytest.fixture
def both(configure: Configure) -> list[Hook]:
    """Two hooks at two origins."""
    return [
        configure.hook("*", event, f"http://{event.slug}.example/")
        for event in (EventType.DIAL_IN, EventType.HANGUP)
    ]


def test_recorders_of_the_same_origins(app: Flask, both: list[Hook]) -> None:
    """Two workers record two origins, one reachable and one not, in opposite order."""
    first, second = [hook.origin_id for hook in both]
    engine = db.engine

    def tell(well: int, silent: int) -> Callable[[], None]:
        def work() -> None:
            with write_transaction(engine) as connection:
                responses = {silent: [SILENCE], well: [SUCCESS]}
                note_responses(
                    connection,
                    responses,
                    failing={silent, well},
                    probed={silent},
                    now=NOW,
                    settings=SETTINGS,
                )

        return repeat(work)

    run_together(app, *[tell(first, second), tell(second, first)] * 2)


def test_recording_renewing_ending_and_cancelling(
    app: Flask, both: list[Hook], report_events: ReportEvents
) -> None:
    """The same deliveries are recorded, renewed, ended and cancelled, each in another order."""
    ids = [one for hook in both for one in report_events(6, hook.event_type)]
    Random(3).shuffle(ids)
    claims = load(claim())
    assert len(claims) == 12
    hook_ids = [hook.id for hook in both]
    fences = {one.delivery_id: one.fence for one in claims}
    engine = db.engine
    db.session.rollback()

    def reopen() -> None:
        with write_transaction(engine) as connection:
            connection.execute(
                update(Delivery)
                .where(Delivery.id.in_(select(Delivery.id).order_by(Delivery.id).with_for_update()))
                .values(state=DeliveryState.PENDING, finished_at=None)
            )

    def tell() -> None:
        with write_transaction(engine) as connection:
            outcomes = [Outcome(one, SILENCE) for one in reversed(claims)]
            record(connection, outcomes, NOW, SETTINGS)

    def renew() -> None:
        with write_transaction(engine) as connection:
            renew_leases(connection, list(reversed(claims)), NOW, LEASE)

    def finish() -> None:
        with write_transaction(engine) as connection:
            finish_without_attempt(connection, fences, DeliveryState.CANCELLED, NOW)

    def cancel() -> None:
        begin_write()
        hold.cancel_waiting(db.session.connection(), list(reversed(hook_ids)), utc_now())
        db.session.commit()

    run_together(app, *map(repeat, (tell, tell, renew, finish, cancel, reopen)))
    stored = [get_delivery(one) for one in ids]
    assert {one.attempts for one in stored} == {2 * ROUNDS}


def test_suspending_and_clearing(
    app: Flask, configure: Configure, report_events: ReportEvents
) -> None:
    """A worker suspends a hook while a user disables, changes and clears it."""
    engine = db.engine
    for _ in range(ROUNDS):
        hook_id = configure.hook("*", EventType.DIAL_IN, "http://a.example/").id
        ids = report_events(3)
        db.session.rollback()

        def suspend(hook_id: int = hook_id) -> None:
            with write_transaction(engine) as connection:
                note_health(connection, hook_id, [GONE], utc_now(), SETTINGS)

        def change(hook_id: int = hook_id) -> None:
            begin_write()
            if hook := db.session.get(Hook, hook_id, with_for_update=True):
                hooks.update_hook(hook, hooks.HookData(method=hook.method, url="http://b.example/"))
            db.session.commit()

        def clear(hook_id: int = hook_id) -> None:
            begin_write()
            if hook := db.session.get(Hook, hook_id):
                hooks.clear_hooks([hook])
            db.session.commit()

        run_together(app, suspend, change, clear, suspend)
        states = {get_delivery(one).state for one in ids}
        assert DeliveryState.PENDING not in states
        assert get_delivery(ids[0]).hook is None


class Storm:
    """Reports calls while hooks are turned off and on, and changed, until all is reported."""

    def __init__(self, pbx: Pbx, url: str, configure: Configure, seed: int) -> None:
        # Each thread has its own, so that what one chooses does not depend on the others' pace.
        self._reported, self._changed = Random(f"{seed} report"), Random(f"{seed} change")
        self.pbx_id, self.url = pbx.id, url
        self.unsteady = list(EventType)[:3]
        self.hook_ids = [configure.hook("*", event, url + "/a").id for event in self.unsteady]
        configure.hook("*", STEADY, url + "/steady")
        self.is_over = False

    def report(self) -> None:
        """Report events of all calls, mixed."""
        for place in range(ROUNDS):
            reports = [
                Report(
                    event_type=self._reported.choice([*self.unsteady, STEADY, STEADY]),
                    extension="101",
                    call_id=f"call-{number}",
                    at=NOW + timedelta(milliseconds=place),
                )
                for number in range(CALLS)
            ]
            begin_write()
            accept(db.session.get_one(Pbx, self.pbx_id), reports)
            db.session.commit()
        self.is_over = True

    def turn(self) -> None:
        """Disable and enable hooks."""
        while not self.is_over:
            for hook_id in self.hook_ids:
                begin_write()
                hook = db.session.get_one(Hook, hook_id)
                hooks.set_active(hook, active=not hook.active)
                db.session.commit()

    def enable_all(self) -> None:
        """Let all that is held go on."""
        for hook_id in self.hook_ids:
            begin_write()
            hooks.set_active(db.session.get_one(Hook, hook_id), active=True)
            db.session.commit()

    def change(self) -> None:
        """Change the URLs of hooks."""
        while not self.is_over:
            begin_write()
            hook = db.session.get_one(Hook, self._changed.choice(self.hook_ids))
            url = f"{self.url}/{self._changed.choice('ab')}"
            hooks.update_hook(hook, hooks.HookData(method=hook.method, url=url))
            db.session.commit()


STEADY = EventType.ANSWER_IN
CALLS = 6


def test_storm(
    app: Flask,
    pbx: Pbx,
    configure: Configure,
    make_engine: MakeEngine,
    receiver: Receiver,
    logged: Logged,
    seed: int,
) -> None:
    """Two workers deliver while calls are reported and people change, disable and enable hooks.

    Afterwards nothing is open, and nothing that was held for a while is lost. For no hook came a
    call's events in another order, no attempt has the number of another, and no transaction had to
    be ended by the database.
    """
    replies = Random(f"{seed} reply")
    receiver.reply = lambda _one: Reply(replies.choice([200, 200, 200, 503]))
    storm = Storm(pbx, receiver.url, configure, seed)
    db.session.rollback()
    engines = [
        make_engine(poll_seconds=0.02, retry_schedule_seconds=(0.02,), worker_threads=6)
        for _ in range(2)
    ]
    run_together(app, storm.report, storm.turn, storm.change)
    storm.enable_all()
    wait_until(lambda: count_open() == 0, "the end of all deliveries")
    for engine in engines:
        engine.close()
    check_order(receiver.arrivals)
    check_attempts()
    states = db.session.scalars(select(Delivery.state).distinct()).all()
    assert states == [DeliveryState.DELIVERED]
    for trouble in ("deadlock", "could not record", "could not update", "unavailable", "failed"):
        assert trouble not in logged.text


def count_open() -> int:
    """Return how many deliveries are open or held now."""
    db.session.rollback()
    found = select(func.count()).where(IS_WAITING)
    return db.session.scalar(found) or 0


def check_order(arrivals: list[Arrival]) -> None:
    """Check that each hook's deliveries of a call first came in the order of their events."""
    calls: dict[tuple[str, str], list[tuple[str, str]]] = {}
    seen: set[str] = set()
    for arrival in arrivals:
        sent = arrival.parameters
        if sent["DeliveryID"] not in seen:
            seen.add(sent["DeliveryID"])
            place = (sent["EventTime"], sent["DeliveryID"])
            calls.setdefault((sent["EventID"], sent["CallID"]), []).append(place)
    assert len({call for _, call in calls}) == CALLS
    for places in calls.values():
        assert places == sorted(places)


def check_attempts() -> None:
    """Check that each delivery's attempts are numbered from one without a gap."""
    rows = db.session.execute(
        select(Delivery.id, Delivery.attempts, func.count(Attempt.number), func.max(Attempt.number))
        .join(Attempt, Attempt.delivery_id == Delivery.id, isouter=True)
        .group_by(Delivery.id, Delivery.attempts)
    ).all()
    assert rows
    assert all(counted == made == (last or 0) for _, counted, made, last in rows)
