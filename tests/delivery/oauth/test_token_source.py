"""Getting tokens: fetched once, renewed ahead, kept with their credentials, and told why not."""

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from datetime import timedelta

import pytest
from sqlalchemy import Engine, update

from callevents.config.settings import Settings
from callevents.db.models import Receiver, utc_now
from callevents.db.session import begin_write, write_transaction
from callevents.delivery.oauth.stored_token import (
    DISCARD_INTERVAL,
    discard_token,
    forget_token,
)
from callevents.delivery.oauth.token_answer import TokenError
from callevents.delivery.oauth.token_source import RETRY_TIME, TokenSource
from callevents.enums import ReceiverAuth
from callevents.extensions import cipher, db
from callevents.operations.scheduler import Scheduler
from tests.conftest import Configure
from tests.delivery.oauth.conftest import MakeReceiver, MakeSource, stored, token_of, use
from tests.support.receiver import Arrival, Reply
from tests.support.token_server import TokenServer


def set_columns(receiver: Receiver, **values: object) -> None:
    """Change the stored receiver."""
    db.session.rollback()
    write_columns(db.engine, receiver.id, **values)


def write_columns(database: Engine, receiver_id: int, **values: object) -> None:
    """Do the same in any thread."""
    with write_transaction(database) as connection:
        connection.execute(update(Receiver).where(Receiver.id == receiver_id).values(values))


def test_a_token_is_fetched_once(
    crm: Receiver, source: TokenSource, token_server: TokenServer
) -> None:
    """A valid token is used as long as it is valid; it is stored encrypted."""
    before = utc_now()
    for _ in range(3):
        source.get(crm.id)
    assert token_server.issued == ["token-1"]
    assert token_of(crm) == "token-1"
    assert "token-1" not in crm.access_token
    assert crm.access_token_expires_at is not None
    assert crm.access_token_renew_at is not None
    # Not to the last moment, and renewed before.
    assert timedelta(0) < before + timedelta(hours=1) - crm.access_token_expires_at
    assert crm.access_token_renew_at < crm.access_token_expires_at
    assert (crm.renewing_until, crm.renewal_error) == (None, "")


def test_many_at_once_fetch_one(
    crm: Receiver, make_source: MakeSource, token_server: TokenServer
) -> None:
    """Of several workers that need a token at the same moment, one fetches it; the others wait."""
    go_on = threading.Event()
    issue = token_server.tokens.reply

    def slowly(arrival: Arrival) -> Reply:
        reply = issue(arrival)
        reply.hold = go_on.wait
        return reply

    token_server.tokens.reply = slowly
    sources = [make_source() for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        waiting = [threads.submit(one.get, crm.id) for one in sources]
        token_server.tokens.wait_for(1)
        go_on.set()
        for one in waiting:
            one.result()
    assert len(token_server.tokens.arrivals) == 1
    assert token_of(crm) == "token-1"


def test_rotated_refresh_tokens_are_kept(
    make_receiver: MakeReceiver, source: TokenSource, token_server: TokenServer
) -> None:
    """A server that accepts each refresh token once gets the next one each time."""
    token_server.rotates = True
    receiver = make_receiver(ReceiverAuth.REFRESH_TOKEN)
    for number in (1, 2, 3):
        source.get(receiver.id)
        assert token_of(receiver) == f"token-{number}"
        kept = json.loads(cipher.bound.decrypt(receiver.auth_secret))
        assert kept["refresh_token"] == f"refresh-{number + 1}"
        set_columns(receiver, access_token_expires_at=utc_now())


def test_credentials_that_change_meanwhile(
    make_receiver: MakeReceiver, source: TokenSource, token_server: TokenServer
) -> None:
    """A token for credentials that an admin has replaced meanwhile is not stored."""
    token_server.rotates = True
    receiver = make_receiver(ReceiverAuth.REFRESH_TOKEN)
    issue = token_server.tokens.reply
    changed = cipher.encrypt(json.dumps(token_server.credentials(refresh_token="entered")))
    database, receiver_id = db.engine, receiver.id

    def change(arrival: Arrival) -> Reply:
        reply = issue(arrival)
        if len(token_server.issued) == 1:
            write_columns(database, receiver_id, auth_secret=changed)
            token_server.refresh_token = "entered"
        return reply

    token_server.tokens.reply = change
    source.get(receiver.id)
    asked = [arrival.parameters["refresh_token"] for arrival in token_server.tokens.arrivals]
    assert asked == ["refresh-1", "entered"]
    assert token_of(receiver) == "token-2"


def test_keys_that_rotate_meanwhile(
    make_receiver: MakeReceiver, source: TokenSource, token_server: TokenServer
) -> None:
    """Credentials that were only encrypted again are the same: the next refresh token is kept."""
    token_server.rotates = True
    receiver = make_receiver(ReceiverAuth.REFRESH_TOKEN)
    issue = token_server.tokens.reply
    database, receiver_id = db.engine, receiver.id
    again = cipher.bound.reencrypt(receiver.auth_secret)

    def encrypt_again(arrival: Arrival) -> Reply:
        write_columns(database, receiver_id, auth_secret=again)
        return issue(arrival)

    token_server.tokens.reply = encrypt_again
    source.get(receiver.id)
    assert token_of(receiver) == "token-1"
    kept = json.loads(cipher.bound.decrypt(receiver.auth_secret))
    assert kept["refresh_token"] == "refresh-2"


def test_renewed_ahead(
    crm: Receiver, source: TokenSource, token_server: TokenServer, configure: Configure
) -> None:
    """A token that ends soon is replaced, if an enabled request uses it; the old one serves on."""
    hook = use(crm, configure)
    token_server.lifetime = 3600
    source.get(crm.id)
    assert source.renew_ahead() == 0
    soon = utc_now() + timedelta(minutes=4)
    set_columns(crm, access_token_expires_at=soon, access_token_renew_at=utc_now())
    begin_write()
    hook.active = False
    db.session.commit()
    assert source.renew_ahead() == 0, "nothing uses it"
    begin_write()
    hook.active = True
    db.session.commit()
    assert source.renew_ahead() == 1
    assert token_of(crm) == "token-2"
    assert source.renew_ahead() == 0


def test_short_lives(crm: Receiver, source: TokenSource, token_server: TokenServer) -> None:
    """A token that lives for a minute is not renewed at once, and is used for most of it."""
    token_server.lifetime = 60
    source.get(crm.id)
    found = stored(crm)
    assert found.access_token_renew_at is not None
    assert found.access_token_expires_at is not None
    assert found.access_token_renew_at > utc_now() + timedelta(seconds=30)
    assert found.access_token_expires_at > utc_now() + timedelta(seconds=40)


def test_a_failed_renewal_keeps_the_token(
    crm: Receiver, source: TokenSource, token_server: TokenServer, configure: Configure
) -> None:
    """If it cannot be renewed ahead, the present token is used until its end."""
    use(crm, configure)
    source.get(crm.id)
    set_columns(crm, access_token_renew_at=utc_now())
    token_server.answer = lambda _arrival: Reply(503)
    assert source.renew_ahead() == 0
    assert "503 Service Unavailable" in stored(crm).renewal_error
    source.get(crm.id)
    assert token_of(crm) == "token-1"


def test_failures_are_stored_and_not_repeated_at_once(
    crm: Receiver, source: TokenSource, token_server: TokenServer
) -> None:
    """After a failure, others fail with the same message for a moment; then it is tried again."""
    token_server.answer = lambda _arrival: Reply(400, body=b'{"error": "invalid_scope"}')
    for _ in range(3):
        with pytest.raises(TokenError, match="invalid_scope"):
            source.get(crm.id)
    assert len(token_server.tokens.arrivals) == 1
    assert "invalid_scope" in stored(crm).renewal_error
    assert crm.renewing_until is None
    with pytest.raises(TokenError):
        source.get(crm.id, retries=True)
    assert len(token_server.tokens.arrivals) == 2
    token_server.answer = None
    set_columns(crm, renewal_failed_at=utc_now() - RETRY_TIME)
    source.get(crm.id)
    assert stored(crm).renewal_error == ""
    assert crm.renewal_failed_at is None


def test_those_that_wait_fail_together(
    crm: Receiver, make_source: MakeSource, token_server: TokenServer
) -> None:
    """If the one that fetches fails, so do those that wait for it, without asking again."""
    go_on = threading.Event()
    token_server.answer = lambda _arrival: Reply(500, hold=go_on.wait)
    receiver_id = crm.id

    def fail(source: TokenSource) -> str:
        with pytest.raises(TokenError) as raised:
            source.get(receiver_id)
        return str(raised.value)

    with ThreadPoolExecutor(3) as threads:
        waiting = [threads.submit(fail, make_source()) for _ in range(3)]
        token_server.tokens.wait_for(1)
        go_on.set()
        messages = {one.result() for one in waiting}
    assert len(messages) == 1
    assert len(token_server.tokens.arrivals) == 1


def hangs_forever(reply: threading.Event) -> Callable[[Arrival], Reply]:
    """Return an answer that is not sent before the event."""
    return lambda _arrival: Reply(hold=reply.wait)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply(302, {"Location": "https://evil.example.com/"}), "redirects are not followed"),
        (Reply(body=b"<html>Sign in</html>"), "no JSON object"),
        (Reply(body=b'{"access_token": "t", "x": "' + b"x" * 10_000_000 + b'"}'), "no JSON object"),
        (Reply(204), "no JSON object"),
    ],
    ids=["redirect", "html", "huge", "empty"],
)
def test_hostile_servers(
    crm: Receiver, source: TokenSource, token_server: TokenServer, reply: Reply, reason: str
) -> None:
    """Whatever a token server answers, there is one request and a sentence."""
    token_server.answer = lambda _arrival: reply
    with pytest.raises(TokenError, match=reason):
        source.get(crm.id)
    assert len(token_server.tokens.arrivals) == 1
    assert token_of(crm) == ""


def test_silent_server(
    crm: Receiver, make_source: MakeSource, settings: Settings, token_server: TokenServer
) -> None:
    """A server that never answers is left after the time that requests have."""
    source = make_source(settings.model_copy(update={"read_timeout_seconds": 0.5}))
    go_on = threading.Event()
    token_server.answer = hangs_forever(go_on)
    with pytest.raises(TokenError, match=r"cannot be reached: No response within 0\.5 seconds"):
        source.get(crm.id)
    go_on.set()


def test_discarding(crm: Receiver, source: TokenSource) -> None:
    """A refused token is discarded if it is still the present one, and not time after time."""
    source.get(crm.id)
    first = stored(crm).access_token
    now = utc_now()
    with write_transaction(db.engine) as connection:
        assert discard_token(connection, crm.id, first, now)
    assert stored(crm).access_token == ""
    with write_transaction(db.engine) as connection:
        assert discard_token(connection, crm.id, first, now), "it has been discarded already"
    source.get(crm.id)
    second = stored(crm).access_token
    with write_transaction(db.engine) as connection:
        later = now + DISCARD_INTERVAL
        assert discard_token(connection, crm.id, first, later), "there is a newer one"
        assert not discard_token(connection, crm.id, second, now), "a moment after the first"
    assert stored(crm).access_token == second
    with write_transaction(db.engine) as connection:
        assert discard_token(connection, crm.id, second, later)
    assert stored(crm).access_token == ""


def test_tokens_are_no_changes(crm: Receiver, source: TokenSource) -> None:
    """Neither a token nor its removal counts as a change of the receiver by a user."""
    long_ago = utc_now() - timedelta(days=7)
    set_columns(crm, modified_at=long_ago)
    source.get(crm.id)
    with write_transaction(db.engine) as connection:
        discard_token(connection, crm.id, stored(crm).access_token, utc_now())
    assert stored(crm).modified_at == long_ago


def test_forgetting(crm: Receiver, source: TokenSource, token_server: TokenServer) -> None:
    """After a change of the credentials, a new token is fetched."""
    source.get(crm.id)
    begin_write()
    forget_token(db.session.merge(crm))
    db.session.commit()
    source.get(crm.id)
    assert token_server.issued == ["token-1", "token-2"]


def test_receivers_without_tokens(
    crm: Receiver, source: TokenSource, token_server: TokenServer
) -> None:
    """A receiver that is gone, or authenticates otherwise by now, needs no token."""
    source.get(99)
    set_columns(crm, auth=ReceiverAuth.NONE)
    source.get(crm.id)
    assert token_server.tokens.arrivals == []


def test_unreadable_credentials(crm: Receiver, source: TokenSource) -> None:
    """Credentials that no key decrypts end in the sentence about keys."""
    set_columns(crm, auth_secret="gAAAA")
    with pytest.raises(TokenError, match="CALLEVENTS_ENCRYPTION_KEYS"):
        source.get(crm.id)


def test_the_leader_renews(
    crm: Receiver,
    source: TokenSource,
    token_server: TokenServer,
    configure: Configure,
    settings: Settings,
) -> None:
    """The leader among the workers renews tokens that end soon; the others do not."""
    use(crm, configure)
    source.get(crm.id)
    set_columns(crm, access_token_renew_at=utc_now())
    with ExitStack() as stack:
        leader, other = (
            stack.enter_context(closing(Scheduler(db.engine, settings))) for _ in range(2)
        )
        leader.send_heartbeat()
        other.send_heartbeat()
        other.renew_tokens()
        assert token_server.issued == ["token-1"]
        leader.renew_tokens()
    assert token_server.issued == ["token-1", "token-2"]
    assert token_of(crm) == "token-2"
