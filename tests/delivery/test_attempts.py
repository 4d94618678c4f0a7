"""A request that is repeated is stored once, and shown with each of its attempts."""

import pytest
from sqlalchemy import inspect

from callevents.config.settings import Settings
from callevents.db.models import Attempt, Hook, utc_now
from callevents.db.session import begin_write, write_transaction
from callevents.delivery import attempts
from callevents.delivery.claim import Claim
from callevents.delivery.http.client import Response
from callevents.delivery.outcomes import Outcome, record
from callevents.enums import EventType, Method
from callevents.extensions import db
from callevents.hooks import hooks
from tests.conftest import Configure
from tests.delivery.conftest import ReportEvents, get_delivery, list_attempts
from tests.support import claims as claiming

FAILURE = Response(utc_now(), 34, "The receiver returned 500 Internal Server Error.", 500)


@pytest.fixture(params=[Method.GET, Method.POST])
def hook(configure: Configure, request: pytest.FixtureRequest) -> Hook:
    """A hook for dial-in of all extensions."""
    return configure.hook("*", EventType.DIAL_IN, "http://127.0.0.1:9/", request.param)


@pytest.fixture
def delivery_id(hook: Hook, report_events: ReportEvents) -> str:
    """A delivery with two failed attempts, beside another one with one."""
    first, other = report_events(2)
    fail(first, other)
    fail(first)
    return first


def fail(*delivery_ids: str) -> list[Claim]:
    """Claim all that waits, and record a failure of these; return the claims."""
    later = max(get_delivery(one).due_at for one in delivery_ids)
    claims = [
        one for one in claiming.load(claiming.claim(now=later)) if one.delivery_id in delivery_ids
    ]
    assert len(claims) == len(delivery_ids)
    with write_transaction(db.engine) as connection:
        record(connection, [Outcome(one, FAILURE) for one in claims], utc_now(), Settings())
    return claims


def shown(delivery_id: str) -> list[Attempt]:
    """Return the attempts as pages and commands show them."""
    return list(attempts.list_attempts(get_delivery(delivery_id)))


def test_a_repeated_request_is_stored_once(delivery_id: str) -> None:
    """The second attempt stores no URL and no body; both attempts show the same request."""
    first, second = list_attempts(delivery_id)
    assert first.url.startswith("http://127.0.0.1:9/")
    assert (second.url, second.request_body) == ("", "")
    one, two = shown(delivery_id)
    assert (one.url, one.request_body) == (two.url, two.request_body)
    assert f"DeliveryID={delivery_id}" in two.url + two.request_body
    assert not inspect(two).modified, "the session would write it back"


def test_a_changed_request_is_stored(delivery_id: str, hook: Hook) -> None:
    """The request of a changed hook is stored; of one changed back, the first is shown."""
    for url in ("http://127.0.0.1:9/new", "http://127.0.0.1:9/"):
        begin_write()
        hooks.update_hook(hook, hooks.HookData(url=url, method=hook.method))
        db.session.commit()
        fail(delivery_id)
    paths = [
        one.url.partition("?")[0].removeprefix("http://127.0.0.1:9") for one in shown(delivery_id)
    ]
    assert paths == ["/", "/", "/new", "/"]
    assert [bool(one.url) for one in list_attempts(delivery_id)] == [True, False, True, False]
