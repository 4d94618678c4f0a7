"""The data protection of a PBX: its form, and hidden numbers."""

import re

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from callevents.db.models import Attempt, Delivery, Extension, Pbx, utc_now
from callevents.db.session import begin_write
from callevents.delivery.engine import Engine
from callevents.enums import DeliveryState, EventType, Method, Role
from callevents.extensions import db
from callevents.ingest.accept import accept
from callevents.ingest.report import Report
from callevents.users import users
from callevents.users.grants import NewGrant, set_grants
from tests.conftest import Configure, finish_notes
from tests.support.receiver import Receiver, Reply
from tests.support.waiting import wait_until
from tests.web.conftest import PASSWORD, Visitor

BASE = "/pbxs/head-office"
NUMBER = "0612345678"


def test_form(admin: Visitor, pbx: Pbx) -> None:
    """Both values are stored and shown; an empty retention is the general one."""
    assert "kept for 30 days, as for all PBXs" in admin.get(BASE).text
    saved = admin.post(f"{BASE}/data-protection/edit", retention_days="7", hides_numbers="y")
    assert saved.status_code == 303
    text = admin.get(BASE).text
    assert "kept for 7 days." in text
    assert "Only admins see whole phone numbers" in text
    assert 'value="7"' in admin.get(f"{BASE}/data-protection/edit").text
    assert admin.post(f"{BASE}/data-protection/edit", retention_days="").status_code == 303
    assert "All users of this PBX see whole phone numbers" in admin.get(BASE).text


@pytest.mark.parametrize("days", ["0", "-1", "x", "3651", "1.5", "99999999999"])
def test_invalid_retention(days: str, admin: Visitor, pbx: Pbx) -> None:
    """It is refused, and nothing is stored."""
    answer = admin.post(f"{BASE}/data-protection/edit", retention_days=days, hides_numbers="y")
    assert answer.status_code == 422
    assert "Enter a whole number from 1 to 3,650" in answer.text
    db.session.refresh(pbx)
    assert (pbx.retention_days, pbx.hides_numbers) == (None, False)


@pytest.fixture
def pages(  # the whole line
    pbx: Pbx,
    client: FlaskClient,
    token: str,
    configure: Configure,
    receiver: Receiver,
    engine: Engine,
) -> list[str]:
    """The pages that show the number of a call: it was delivered, another report rejected."""
    configure.hook("*", EventType.DIAL_IN, receiver.url, Method.POST)
    begin_write()
    report = Report(event_type=EventType.DIAL_IN, extension="101", call_id="c", peer=NUMBER)
    accept(pbx, [report])
    db.session.commit()
    engine.start()
    [arrival] = receiver.wait_for(1)
    engine.close()
    assert NUMBER in arrival.body
    refused = {"token": token, "event": "nonsense", "peer": NUMBER}
    assert client.get("/ingest/head-office", query_string=refused).status_code == 422
    finish_notes(client.application)
    delivery_id = arrival.parameters["DeliveryID"]
    return [
        f"{BASE}/deliveries/{delivery_id}",
        f"{BASE}/call?id=c",
        f"{BASE}/recent-reports",
        f"{BASE}/connect?since=1",
        f"{BASE}/connect/events?since=1",
        f"{BASE}/deliveries",
    ]


def test_hidden_numbers(admin: Visitor, viewer: Visitor, pbx: Pbx, pages: list[str]) -> None:
    """Whole numbers are shown to admins, also to those of the one PBX, and not to others."""
    begin_write()
    pbx.hides_numbers = True
    own = users.add_user("own", PASSWORD, Role.VIEWER)
    set_grants(own, [NewGrant(Role.ADMIN, pbx)])
    operator = users.add_user("operator", PASSWORD, Role.OPERATOR)
    db.session.commit()
    own_admin, other = Visitor(viewer.client.application.test_client()), viewer
    own_admin.sign_in(own.username)
    for page in pages[:-1]:
        assert NUMBER in admin.get(page).text, page
        assert NUMBER in own_admin.get(page).text, page
    for name in ("viewer", operator.username):
        other.sign_in(name)
        for page in pages:
            text = other.get(page).text
            assert NUMBER not in text, page
        assert all("…678" in other.get(page).text for page in pages[:-1])


def test_numbers_that_are_not_hidden(viewer: Visitor, pages: list[str]) -> None:
    """By default all users see them."""
    assert all(NUMBER in viewer.get(page).text for page in pages[:-1])


CALLED = "+31698765432"
DIGITS = ("612345678", "698765432")


@pytest.fixture
def failed_pages(  # the whole line
    pbx: Pbx,
    configure: Configure,
    receiver: Receiver,
    engine: Engine,
) -> list[str]:
    """The pages of a call between two numbers, whose delivery failed with the number.

    The receiver repeats the number in its answer; the extension is none of the PBX.
    """
    configure.hook("*", EventType.DIAL_IN, f"{receiver.url}/c{{CallerIDNum}}/?x=1")
    body = rb'{"n": "\u002b31612345678", "t": "a\n0612345678", "f": "06%2012%2034%2056%2078"}'
    where = {"Location": "https://crm.example.com/c0612345678"}
    receiver.reply = lambda _arrival: Reply(302, where, body)
    begin_write()
    report = Report(
        event_type=EventType.DIAL_IN,
        extension=CALLED,
        call_id="tel-0612345678",
        peer="+31 6-12;34;56 78",
        called_number=CALLED,
    )
    accept(pbx, [report])
    db.session.commit()
    engine.start()
    receiver.wait_for(1)
    wait_until(_is_attempted, "the attempt")
    engine.close()
    begin_write()
    delivery = db.session.scalars(select(Delivery)).one()
    assert "c0612345678" in delivery.error
    delivery.status_code, delivery.origin.error = None, delivery.error
    delivery.origin.opened_at = delivery.origin.probe_at = utc_now()
    delivery.state, delivery.hook.failing_since = DeliveryState.FAILED, utc_now()
    event_id = delivery.call_event_id
    db.session.add(Extension(pbx_id=pbx.id, number="3161234567"))
    db.session.commit()
    return [
        f"{BASE}/deliveries/{delivery.id}",
        f"{BASE}/call?event={event_id}",
        f"{BASE}/recent-reports",
        f"{BASE}/connect/events?since=1",
        f"{BASE}/extensions",
        f"{BASE}/deliveries",
        f"{BASE}/test-event/{event_id}",
        f"{BASE}/extensions/all",
        "/overview",
    ]


def _is_attempted() -> bool:
    db.session.rollback()
    return db.session.scalar(select(Attempt.number)) is not None


def _has_number(text: str) -> bool:
    """Return True if the page has one of the numbers, whatever separates its digits."""
    joined = re.sub(r"%20|[^0-9A-Za-z<>]", "", text)
    return any(digits in joined for digits in DIGITS)


def test_numbers_of_a_failed_call(
    admin: Visitor, viewer: Visitor, pbx: Pbx, failed_pages: list[str]
) -> None:
    """They are hidden in errors, answers, titles, IDs and links, and for unknown extensions."""
    begin_write()
    pbx.hides_numbers = True
    operator = users.add_user("operator", PASSWORD, Role.OPERATOR)
    db.session.commit()
    for name, statuses in (("viewer", {200, 403}), (operator.username, {200})):
        viewer.sign_in(name)
        for page in failed_pages:
            answer = viewer.get(page)
            assert answer.status_code in statuses, page
            assert not _has_number(answer.text), page
            # Without the filters, the page has one.
            assert _has_number(admin.get(page).text), page
    viewer.sign_in("viewer")
    # The extension is one of the PBX.
    assert "3161234567" in viewer.get(f"{BASE}/extensions").text
    found = viewer.get(f"{BASE}/deliveries/find?q={failed_pages[1].partition('=')[2]}")
    assert "call?event=" in found.location
    assert admin.get(f"{BASE}/call?id=tel-0612345678").text.count("tel-0612345678") > 2


def test_suggested_numbers(admin: Visitor, viewer: Visitor, pbx: Pbx, client: FlaskClient) -> None:
    """An operator cannot add those that only admins see, one by one or all."""
    begin_write()
    pbx.hides_numbers = True
    operator = users.add_user("operator", PASSWORD, Role.OPERATOR)
    accept(pbx, [Report(event_type=EventType.DIAL_IN, extension=one) for one in (CALLED, "101")])
    db.session.commit()
    viewer.sign_in(operator.username)
    text = viewer.get(f"{BASE}/extensions").text
    assert "…432" in text
    assert CALLED not in text
    # Not all of them: the button promises no number.
    assert ">Add all</button>" in text
    assert ">Add all 2</button>" in admin.get(f"{BASE}/extensions").text
    viewer.post(f"{BASE}/suggestions/add", all="yes")
    db.session.rollback()
    assert db.session.scalars(select(Extension.number)).all() == ["101"]
    assert CALLED in admin.get(f"{BASE}/extensions").text
    admin.post(f"{BASE}/suggestions/add", all="yes")
    assert CALLED in viewer.get(f"{BASE}/extensions").text
