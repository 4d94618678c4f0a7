"""A secret in a request's URL reaches the receiver; pages for viewers mask it."""

import pytest

from callevents.db.models import Hook, Pbx
from callevents.delivery.attempts import list_attempts
from callevents.delivery.engine import Engine
from callevents.delivery.log import queries
from callevents.enums import DeliveryState, EventType
from callevents.extensions import db
from tests.conftest import Configure
from tests.support.receiver import Receiver
from tests.support.waiting import wait_for_state
from tests.web.conftest import Visitor
from tests.web.views.test_deliveries import report

SECRET = "open-sesame-4711"
PATH_SECRET = "9p7eqkk8fbbb5f1yx3ugimnhiw"
BASE = "/pbxs/head-office"


@pytest.fixture
def hook(configure: Configure, receiver: Receiver) -> Hook:
    """A hook whose URL has a secret, with an extension to open it at."""
    return configure.hook(
        "*",
        EventType.DIAL_IN,
        f"{receiver.url}/hooks/{PATH_SECRET}/pop?tenant=7&api_key={SECRET}&call={{CallID}}",
    )


@pytest.fixture
def delivery_id(hook: Hook, pbx: Pbx, engine: Engine) -> str:
    """A delivery that was made."""
    made = report(pbx, "101", "c-1")
    engine.start()
    wait_for_state(made, DeliveryState.DELIVERED)
    return made


def test_receiver_gets_the_secret(delivery_id: str, receiver: Receiver) -> None:
    """The receiver gets the unmasked URL."""
    [arrival] = receiver.wait_for(1)
    assert f"/hooks/{PATH_SECRET}/pop?" in arrival.target
    assert f"&api_key={SECRET}&call=c-1&" in arrival.target


def test_pages_mask_the_secret(
    admin: Visitor, viewer: Visitor, hook: Hook, delivery_id: str
) -> None:
    """Log, call, table and the page of a delivery, with its curl command, hide the value only."""
    event_id = hook.event_id
    for_all = ("/deliveries", f"{BASE}/deliveries", f"{BASE}/call?id=c-1", f"{BASE}/extensions/all")
    admins_only = (f"{BASE}/requests/{event_id}/recover", f"{BASE}/extensions/all/clear?event_id=")
    for visitor in (admin, viewer):
        paths = [*for_all, f"{BASE}/deliveries/{delivery_id}"]
        if visitor is admin:
            paths += [admins_only[0], admins_only[1] + event_id]
        for path in paths:
            page = visitor.get(path)
            assert page.status_code == 200, path
            assert SECRET not in page.text, path
            assert PATH_SECRET not in page.text, path
            assert "hooks/••••" in page.text, path
            assert "api_key=••••" in page.text, path
    page = admin.get(f"{BASE}/deliveries/{delivery_id}").text
    assert "/hooks/••••/pop?tenant=7&amp;api_key=••••&amp;call={CallID}" in page
    assert "/hooks/••••/pop?tenant=7&amp;api_key=••••&amp;call=c-1" in page
    assert "${API_KEY}" in page
    assert "${VALUE}" in page


def test_editing_shows_the_secret(admin: Visitor, hook: Hook) -> None:
    """Admins see the full URL in the dialog, and save it unchanged."""
    url = hook.url
    page = admin.get(f"{BASE}/extensions/all/requests/{hook.event_id}").text
    assert f"/hooks/{PATH_SECRET}/pop" in page
    assert f"api_key={SECRET}&amp;call=" in page
    admin.post(f"{BASE}/extensions/all/requests/{hook.event_id}", method="GET", url=url, active="y")
    db.session.rollback()
    assert db.session.get_one(Hook, hook.id).url == url


def test_attempts_are_stored_masked(delivery_id: str) -> None:
    """The URL of an attempt is stored masked."""
    db.session.rollback()
    [attempt] = list_attempts(queries.get_delivery(delivery_id))
    assert SECRET not in attempt.url
    assert "/hooks/••••/pop?" in attempt.url
    assert "api_key=••••&call=c-1&CallID=c-1" in attempt.url
