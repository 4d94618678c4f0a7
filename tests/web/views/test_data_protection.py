"""The data protection of a PBX: its form, and hidden numbers."""

import pytest
from flask.testing import FlaskClient

from callevents.db.models import Pbx
from callevents.db.session import begin_write
from callevents.delivery.engine import Engine
from callevents.enums import EventType, Method, Role
from callevents.extensions import db
from callevents.ingest.accept import accept
from callevents.ingest.report import Report
from callevents.users import users
from callevents.users.grants import NewGrant, set_grants
from tests.conftest import Configure, finish_notes
from tests.support.receiver import Receiver
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
