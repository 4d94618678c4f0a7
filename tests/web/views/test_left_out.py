"""Pages about a receiver whose secret was left out of an import: what to enter, and where."""

import html

import pytest
from sqlalchemy import select

from callevents.db.models import Hook, Pbx, Receiver, utc_now
from callevents.db.session import begin_write
from callevents.delivery.request.left_out import NOT_IMPORTED
from callevents.extensions import db
from callevents.hooks.suspension import WAITS_FOR_RECEIVER
from callevents.receivers.connect import connect
from callevents.receivers.making import make_receiver
from callevents.receivers.receivers import create_receiver
from callevents.receivers.recipe_files import get_recipe
from tests.web.conftest import Visitor

ANSWERS = {"address": "https://help.example.com", "token": NOT_IMPORTED}
NEEDS = (
    "Zammad was imported without a secret: CTI token. Nothing is sent to it until an admin enters "
    "it under Receivers, Zammad, Edit."
)
SHORT = NEEDS.replace("CTI token", "token")
HTMX = {"HX-Request": "true"}


@pytest.fixture
def zammad(pbx: Pbx) -> Receiver:
    """Zammad, connected with all extensions, as after an import without secrets."""
    begin_write()
    receiver = create_receiver(make_receiver(get_recipe("zammad"), ANSWERS, "Zammad"))
    for hook in connect(receiver, pbx, None).created:
        hook.suspended_at, hook.suspended_reason = utc_now(), WAITS_FOR_RECEIVER
    db.session.commit()
    return receiver


def hooks() -> list[Hook]:
    """Return the requests as they are stored now."""
    db.session.rollback()
    return list(db.session.scalars(select(Hook).order_by(Hook.id)))


def page(visitor: Visitor, path: str) -> str:
    """Return the text of a page."""
    return html.unescape(visitor.get(path).text)


def test_pages_say_what_to_enter(admin: Visitor, zammad: Receiver) -> None:
    """The receiver, its form, the list of receivers, the overview and the request's dialog."""
    seen = page(admin, "/receivers/zammad")
    assert NEEDS in seen
    assert "needs its secret" in seen
    form = page(admin, "/receivers/zammad/edit")
    assert NEEDS in form
    assert "It was not imported: enter it." in form
    assert "keep the stored one" not in form
    overview = page(admin, "/overview")
    assert NEEDS in overview
    assert overview.count('href="/receivers/zammad"') == 1
    assert f"{len(hooks())} requests" in overview
    dialog = f"/pbxs/head-office/extensions/all/requests/{hooks()[0].event_id}"
    assert SHORT in page(admin, dialog)
    assert "needs its secret" in page(admin, "/receivers")


def test_counts_agree_with_the_state(admin: Visitor, zammad: Receiver) -> None:
    """Suspended requests are not enabled ones."""
    count = len(hooks())
    assert "</a>, all suspended" in page(admin, "/receivers/zammad")
    begin_write()
    hooks()[0].suspended_at = None
    db.session.commit()
    assert f"</a>, 1 enabled, {count - 1} suspended" in page(admin, "/receivers/zammad")


def test_resume_leaves_them_out(admin: Visitor, zammad: Receiver) -> None:
    """The dialog says why, has nothing to confirm, and a click on the icon is refused."""
    question = page(admin, "/suspended")
    assert f"{len(hooks())} requests stay suspended." in question
    assert SHORT in question
    assert "New events will be sent again" not in question
    answer = admin.client.post("/suspended", data={"csrf_token": admin.token}, headers=HTMX)
    assert SHORT in html.unescape(answer.text)
    path = f"/pbxs/head-office/extensions/all/requests/{hooks()[0].event_id}/active"
    answer = admin.post(path, active="yes")
    assert (answer.status_code, SHORT in html.unescape(answer.text)) == (409, True)
    assert all(hook.suspended_at for hook in hooks())


def test_entering_the_secret_says_what_goes_on(admin: Visitor, zammad: Receiver) -> None:
    """All requests that waited for it."""
    admin.get("/receivers/zammad/edit")
    fields = {"answer-address": ANSWERS["address"], "answer-token": "0123456789abcdef"}
    answer = admin.post("/receivers/zammad/edit", name="Zammad", **fields)
    assert answer.status_code == 303, answer.text
    assert f"Saved. {len(hooks())} requests resumed" in page(admin, answer.location)
    assert not any(hook.suspended_at for hook in hooks())
    assert "needs its secret" not in page(admin, "/receivers/zammad")
