"""The lease of a renewal: one worker at a time fetches the token of a receiver."""

from datetime import datetime, timedelta

import pytest

from callevents.db.models import Receiver, utc_now
from callevents.db.session import write_transaction
from callevents.delivery.oauth.stored_token import (
    Renewal,
    begin_renewal,
    end_renewal,
    store_failure,
)
from callevents.delivery.oauth.token_source import RETRY_TIME, TokenSource
from callevents.extensions import cipher, db
from tests.delivery.oauth.conftest import stored
from tests.delivery.oauth.test_token_source import set_columns
from tests.support.token_server import TokenServer

LEASE = timedelta(seconds=5)


def begin(receiver: Receiver, now: datetime) -> Renewal | None:
    """Begin a renewal, as a worker does at this moment; return None if it may not."""
    db.session.rollback()
    with write_transaction(db.engine) as connection:
        return begin_renewal(connection, receiver.id, cipher.bound, now, LEASE)


def test_lease_of_a_dead_worker_ends(
    crm: Receiver, source: TokenSource, token_server: TokenServer
) -> None:
    """If a worker dies while it renews, another one does it when the lease has ended."""
    set_columns(crm, renewing_until=utc_now() + timedelta(seconds=0.3))
    source.get(crm.id)
    assert token_server.issued == ["token-1"]


def test_nothing_is_fetched_behind_a_lease(
    crm: Receiver, source: TokenSource, token_server: TokenServer
) -> None:
    """While another worker has the lease, nobody else begins."""
    set_columns(crm, renewing_until=utc_now() + timedelta(seconds=60))
    with write_transaction(db.engine) as connection:
        now = utc_now()
        lease = timedelta(seconds=5)
        assert begin_renewal(connection, crm.id, cipher.bound, now, lease) is None
        later = now + timedelta(seconds=61)
        assert begin_renewal(connection, crm.id, cipher.bound, later, lease) is not None


def test_nothing_is_fetched_behind_a_new_token(crm: Receiver, source: TokenSource) -> None:
    """Who has found no token, and then comes second, does not fetch another one."""
    source.get(crm.id)
    with write_transaction(db.engine) as connection:
        now, lease = utc_now(), timedelta(seconds=5)
        for ahead in (False, True):
            begun = begin_renewal(connection, crm.id, cipher.bound, now, lease, ahead=ahead)
            assert begun is None
    assert stored(crm).renewing_until is None


@pytest.mark.parametrize("fails", [True, False])
def test_a_late_end_leaves_the_lease_of_another(crm: Receiver, *, fails: bool) -> None:
    """A worker whose lease has ended does not release the one that another worker has by now."""
    now = utc_now()
    late = begin(crm, now)
    assert late
    current = begin(crm, now + LEASE)
    assert current
    with write_transaction(db.engine) as connection:
        if fails:
            store_failure(connection, late, "No response.", now + LEASE)
        else:
            end_renewal(connection, late)
    assert (stored(crm).renewing_until, crm.renewal_error) == (current.until, "")
    assert begin(crm, now + LEASE) is None


def test_who_waited_does_not_ask_after_a_failure(crm: Receiver) -> None:
    """Whoever saw no failure a moment ago learns of it, instead of acquiring the lease."""
    looked_at, now = utc_now() - RETRY_TIME, utc_now()

    def begin(failed_after: datetime) -> Renewal | None:
        begun = (connection, crm.id, cipher.bound, now, LEASE)
        return begin_renewal(*begun, failed_after=failed_after)

    with write_transaction(db.engine) as connection:
        renewal = begin(looked_at)
        assert renewal is not None
        store_failure(connection, renewal, "Refused.", now)
        assert begin(looked_at) is None
        assert begin(now) is not None, "it may be tried again"
