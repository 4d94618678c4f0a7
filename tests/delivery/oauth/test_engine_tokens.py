"""Workers and access tokens: real engines, a real token server, and a receiver that checks."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import update

from callevents.db.models import Delivery, Hook, Receiver, utc_now
from callevents.db.session import begin_write
from callevents.delivery.oauth import waiting
from callevents.delivery.oauth.stored_token import DISCARD_INTERVAL
from callevents.delivery.request.receiver import ELSEWHERE
from callevents.enums import DeliveryState, EventType, Method
from callevents.extensions import db
from tests.conftest import Configure
from tests.delivery.conftest import MakeEngine, ReportEvents, get_delivery, list_attempts
from tests.delivery.oauth.conftest import MakeReceiver, stored, token_of, use
from tests.support.receiver import Arrival, Reply
from tests.support.receiver import Receiver as Plain
from tests.support.token_server import TokenServer
from tests.support.waiting import wait_for_delivery, wait_for_state, wait_until

DELIVERED, PENDING = DeliveryState.DELIVERED, DeliveryState.PENDING


@pytest.fixture
def crm_hook(crm: Receiver, configure: Configure) -> Hook:
    """A request of the receiver."""
    return use(crm, configure)


def has_attempts(count: int) -> Callable[[Delivery], bool]:
    """Return the condition that a delivery has so many attempts."""
    return lambda delivery: delivery.attempts >= count


def test_two_workers_fetch_one_token(
    crm_hook: Hook, report_events: ReportEvents, make_engine: MakeEngine, token_server: TokenServer
) -> None:
    """All deliveries of two workers are sent with the one token that one of them has fetched."""
    engines = [make_engine(poll_seconds=0.05) for _ in range(2)]
    ids = report_events(20)
    for engine in engines:
        engine.wake()
    for delivery_id in ids:
        wait_for_state(delivery_id, DELIVERED)
    assert token_server.issued == ["token-1"]
    assert {one.headers["Authorization"] for one in token_server.accepted} == {"Bearer token-1"}
    assert len(token_server.accepted) == len(token_server.api.arrivals) == 20
    for delivery_id in ids:
        [attempt] = list_attempts(delivery_id)
        assert ["Authorization", "Bearer ••••"] in attempt.request_headers


def test_scheme_of_the_receiver(
    make_receiver: MakeReceiver,
    configure: Configure,
    report_events: ReportEvents,
    make_engine: MakeEngine,
    token_server: TokenServer,
) -> None:
    """The token follows the scheme that the receiver wants."""
    token_server.scheme = "Zoho-oauthtoken"
    use(make_receiver(scheme="Zoho-oauthtoken"), configure)
    [delivery_id] = report_events()
    make_engine().drain()
    wait_for_state(delivery_id, DELIVERED)
    [arrival] = token_server.accepted
    assert arrival.headers["Authorization"] == "Zoho-oauthtoken token-1"


def test_refused_token_heals(
    crm_hook: Hook,
    crm: Receiver,
    report_events: ReportEvents,
    make_engine: MakeEngine,
    token_server: TokenServer,
) -> None:
    """A token that was revoked before its time is replaced, and the request is repeated at once."""
    engine = make_engine(poll_seconds=0.05)
    [before] = report_events()
    engine.wake()
    wait_for_state(before, DELIVERED)
    token_server.revoke()
    [delivery_id] = report_events()
    engine.wake()
    delivery = wait_for_state(delivery_id, DELIVERED)
    assert [attempt.status_code for attempt in list_attempts(delivery_id)] == [401, 200]
    assert (delivery.attempts, delivery.attempts_before) == (2, 1), "it took no step"
    assert token_server.issued == ["token-1", "token-2"]
    assert token_of(crm) == "token-2"


def test_receiver_that_refuses_all_tokens(
    crm_hook: Hook, report_events: ReportEvents, make_engine: MakeEngine, token_server: TokenServer
) -> None:
    """A delivery is repeated at once one time; then it waits, and no further token is fetched."""
    token_server.api.reply = lambda _arrival: Reply(401)
    engine = make_engine(poll_seconds=0.05)
    ids = report_events(5)
    engine.wake()
    waits = timedelta(minutes=1)
    found = [
        wait_for_delivery(one, lambda delivery: delivery.due_at > utc_now() + waits) for one in ids
    ]
    # Those that were sent with the second token at first have only one.
    assert {delivery.attempts for delivery in found} <= {1, 2}
    assert max(delivery.attempts for delivery in found) == 2
    assert all("401 Unauthorized" in delivery.error for delivery in found)
    assert token_server.issued == ["token-1", "token-2"]


def test_refused_twice(
    crm_hook: Hook,
    crm: Receiver,
    report_events: ReportEvents,
    make_engine: MakeEngine,
    token_server: TokenServer,
) -> None:
    """After another 401 the delivery waits, also if the token may be discarded by then."""
    token_server.api.reply = lambda _arrival: Reply(401)
    [delivery_id] = report_events()
    engine = make_engine(poll_seconds=0.05)
    engine.wake()
    wait_for_delivery(delivery_id, waits_after(2))
    long_ago = utc_now() - DISCARD_INTERVAL
    begin_write()
    db.session.execute(update(Receiver).values(access_token_refused_at=long_ago))
    db.session.execute(update(Delivery).values(due_at=utc_now()))
    db.session.commit()
    engine.wake()
    wait_for_delivery(delivery_id, waits_after(3))
    assert token_of(crm) == "", "the next attempt fetches another one"


def waits_after(attempts: int) -> Callable[[Delivery], bool]:
    """Return the condition that a delivery waits for a while after so many attempts."""
    waits = timedelta(minutes=1)
    return lambda found: found.attempts == attempts and found.due_at > utc_now() + waits


def test_without_a_token_nothing_is_sent(
    crm_hook: Hook,
    crm: Receiver,
    report_events: ReportEvents,
    make_engine: MakeEngine,
    token_server: TokenServer,
) -> None:
    """If there is no token, the attempt fails with the reason, and is made again later."""
    token_server.answer = lambda _arrival: Reply(400, body=b'{"error": "invalid_client"}')
    [delivery_id] = report_events()
    make_engine().drain()
    delivery = wait_for_delivery(delivery_id, has_attempts(1))
    assert delivery.state is PENDING
    assert delivery.is_retry
    assert "gave no access token: invalid_client" in delivery.error
    [attempt] = list_attempts(delivery_id)
    assert (attempt.status_code, attempt.error) == (None, delivery.error)
    assert token_server.api.arrivals == []
    assert stored(crm).renewal_error == delivery.error
    assert delivery.origin.failures == 0, "the receiver is not to blame"


def test_slow_token_server_delays_no_other_receiver(
    crm_hook: Hook,
    configure: Configure,
    receiver: Plain,
    report_events: ReportEvents,
    make_engine: MakeEngine,
    token_server: TokenServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While claims wait for a token, they take no slot, and their number is bounded."""
    monkeypatch.setattr(waiting, "MAX_WAITING", 3)
    go_on = threading.Event()
    issue = token_server.tokens.reply

    def slowly(arrival: Arrival) -> Reply:
        reply = issue(arrival)
        reply.hold = go_on.wait
        return reply

    token_server.tokens.reply = slowly
    configure.hook("*", EventType.DIAL_OUT, receiver.url)
    engine = make_engine(worker_threads=2, poll_seconds=0.05, total_timeout_seconds=20)
    ids = report_events(10)
    engine.wake()
    token_server.tokens.wait_for(1)
    others = report_events(10, EventType.DIAL_OUT)
    engine.wake()
    for delivery_id in others:
        wait_for_state(delivery_id, DELIVERED)
    assert token_server.api.arrivals == []
    go_on.set()
    for delivery_id in ids:
        wait_for_state(delivery_id, DELIVERED)
    assert token_server.issued == ["token-1"]


def test_stopping_while_claims_wait(
    crm_hook: Hook,
    report_events: ReportEvents,
    make_engine: MakeEngine,
    token_server: TokenServer,
) -> None:
    """A worker that stops releases the claims that wait for a token: they are due at once."""
    go_on = threading.Event()
    token_server.answer = lambda _arrival: Reply(hold=go_on.wait)
    engine = make_engine(shutdown_seconds=0.1, lease_seconds=3600)
    [delivery_id] = report_events()
    engine.drain()
    token_server.tokens.wait_for(1)
    engine.close()
    go_on.set()
    delivery = get_delivery(delivery_id)
    assert (delivery.state, delivery.claimed_at, delivery.attempts) == (PENDING, None, 0)
    token_server.answer = None
    make_engine().drain()
    wait_for_state(delivery_id, DELIVERED)


def test_token_goes_to_the_receiver_only(
    crm_hook: Hook,
    crm: Receiver,
    receiver: Plain,
    report_events: ReportEvents,
    make_engine: MakeEngine,
) -> None:
    """If a URL and its receiver's address differ, whatever the reason, no secret is sent there."""
    begin_write()
    hook = db.session.merge(crm_hook)
    hook.url = f"{receiver.url}/stolen"
    db.session.commit()
    [delivery_id] = report_events()
    make_engine().drain()
    delivery = wait_for_delivery(delivery_id, has_attempts(1))
    assert delivery.error == ELSEWHERE
    assert receiver.arrivals == []


def test_hooks_with_their_own_authentication(
    crm: Receiver,
    configure: Configure,
    report_events: ReportEvents,
    make_engine: MakeEngine,
    token_server: TokenServer,
) -> None:
    """A request of a receiver that does not use its authentication needs no token."""
    hook = configure.hook("*", EventType.DIAL_IN, f"{crm.address}/open", Method.POST)
    begin_write()
    hook.receiver_id = crm.id
    db.session.commit()
    token_server.api.reply = lambda _arrival: Reply()
    [delivery_id] = report_events()
    make_engine().drain()
    wait_for_state(delivery_id, DELIVERED)
    assert token_server.tokens.arrivals == []
    wait_until(lambda: len(token_server.api.arrivals) == 1, "the request")
    assert "Authorization" not in token_server.api.arrivals[0].headers
