"""Suspended requests on the pages: seen everywhere, resumed by one click or all together."""

import re

import pytest

from callevents.db.models import Hook, Pbx, utc_now
from callevents.db.session import begin_write
from callevents.enums import EventType
from callevents.extensions import db
from callevents.ingest.report import Report
from callevents.pbxs import extensions
from tests.conftest import Configure
from tests.ingest.calls import store
from tests.web.conftest import Visitor

BASE = "/pbxs/head-office"
REASON = "The receiver returned 410 Gone."
HTMX = {"HX-Request": "true"}


@pytest.fixture
def hooks(configure: Configure, pbx: Pbx) -> list[Hook]:
    """Two suspended requests, of 101 and of all extensions, and a healthy one."""
    configure.extension("101", "Reception")
    made = [
        configure.hook("101", EventType.HANGUP, "http://crm.example.com/a"),
        configure.hook("*", EventType.HANGUP, "http://crm.example.com/b"),
        configure.hook("101", EventType.DIAL_IN, "http://crm.example.com/c"),
    ]
    begin_write()
    for hook in made[:2]:
        stored = db.session.get_one(Hook, hook.id)
        stored.suspended_at = stored.failing_since = utc_now()
        stored.suspended_reason = REASON
    db.session.commit()
    return made


def suspended() -> list[int]:
    """Return the ids of suspended requests, as they are stored now."""
    db.session.rollback()
    return [hook.id for hook in db.session.query(Hook).order_by(Hook.id) if hook.suspended_at]


def place_of_101(pbx: Pbx) -> str:
    """Return the path of the extension's page."""
    return f"{BASE}/extensions/{extensions.list_extensions(pbx)[0].id}"


def test_they_are_shown_on_the_pages(
    admin: Visitor, viewer: Visitor, hooks: list[Hook], pbx: Pbx
) -> None:
    """Extension, list, overview: a banner with their count, and the icon of the row."""
    page = admin.get(place_of_101(pbx)).text
    assert "1 request suspended" in page
    assert "Suspended since " in page
    assert "click to resume" in page
    for path in (f"{BASE}/extensions", "/overview", "/overview?pbx=head-office"):
        assert "2 requests suspended" in admin.get(path).text, path
    assert REASON in admin.get("/overview").text
    seen = viewer.get(place_of_101(pbx)).text
    assert "1 request suspended" in seen
    assert "click to resume" not in seen
    assert "resume-all" not in seen


def test_click_on_the_icon_resumes(admin: Visitor, hooks: list[Hook], pbx: Pbx) -> None:
    """The icon's button resumes that request alone, and the page's banner follows."""
    path = f"{place_of_101(pbx)}/requests/{hooks[0].event_id}/active"
    answer = admin.client.post(
        path, data={"csrf_token": admin.token, "active": "yes"}, headers=HTMX
    )
    assert "Enabled, click to disable" in answer.text
    assert "hooks-changed" in answer.headers["HX-Trigger"]
    assert "is resumed" in answer.headers["HX-Trigger"]
    assert f"{hooks[0].event_id}/recover" in answer.headers["HX-Trigger"]
    assert suspended() == [hooks[1].id]
    db.session.rollback()
    resumed = db.session.get_one(Hook, hooks[0].id)
    assert (resumed.failing_since, resumed.suspended_reason) == (None, "")


def test_disabled_while_suspended(admin: Visitor, hooks: list[Hook], pbx: Pbx) -> None:
    """A disabled request shows as disabled, and enabling it resumes it as well."""
    begin_write()
    db.session.get_one(Hook, hooks[0].id).active = False
    db.session.commit()
    assert "Disabled, click to enable" in admin.get(place_of_101(pbx)).text
    path = f"{place_of_101(pbx)}/requests/{hooks[0].event_id}/active"
    assert admin.post(path, active="yes").status_code == 303
    assert suspended() == [hooks[1].id]


@pytest.mark.parametrize(
    ("where", "left"),
    [("", 0), (BASE, 0), ("101", 1), (f"{BASE}/extensions/all", 1)],
    ids=["everywhere", "pbx", "extension", "all extensions"],
)
def test_all_are_resumed_after_a_confirmation(
    admin: Visitor, hooks: list[Hook], pbx: Pbx, where: str, left: int
) -> None:
    """The dialog lists suspended requests with links to failed deliveries; OK resumes them."""
    path = (place_of_101(pbx) if where == "101" else where) + "/suspended"
    question = admin.get(path).text
    assert question.count(REASON) == 2 - left
    assert "state=failed" in question
    assert len(suspended()) == 2, "asking changes nothing"
    assert admin.post(path).status_code == 303
    assert len(suspended()) == left
    assert "No request is suspended here" in admin.get(path).text


def test_recovery_is_offered(admin: Visitor, hooks: list[Hook]) -> None:
    """The dialog lists resumed requests, with links to recover their failed deliveries."""
    fields = {"csrf_token": admin.token}
    answer = admin.client.post("/suspended", data=fields, headers=HTMX)
    assert "2 requests resumed" in answer.text
    assert "hooks-changed" in answer.headers["HX-Trigger"]
    for hook in hooks[:2]:
        path = f"{BASE}/requests/{hook.event_id}/recover"
        assert f'href="{path}"' in answer.text
        assert admin.get(path).status_code == 200


def test_only_admins_resume(viewer: Visitor, hooks: list[Hook]) -> None:
    """A viewer can neither ask nor resume."""
    assert viewer.get("/suspended").status_code == 403
    assert viewer.post("/suspended").status_code == 403
    assert len(suspended()) == 2


@pytest.mark.parametrize(
    ("url", "left"), [("http://new.example.com/", 1), ("http://crm.example.com/a", 2)]
)
def test_another_url_resumes(
    admin: Visitor, hooks: list[Hook], pbx: Pbx, url: str, left: int
) -> None:
    """Saving the dialog with another URL resumes the request; saving the same one does not."""
    path = f"{place_of_101(pbx)}/requests/{hooks[0].event_id}"
    admin.get(path)
    answer = admin.post(path, method="GET", url=url, active="y", note="")
    assert answer.status_code == 303, answer.text
    assert len(suspended()) == left


def test_icon_of_several_requests(admin: Visitor, hooks: list[Hook], configure: Configure) -> None:
    """In the list, several requests of an event show that one of them is suspended."""
    configure.hook("101", EventType.HANGUP, "http://other.example.com/")
    assert "2 requests, 1 suspended" in admin.get(f"{BASE}/extensions").text


def test_deliveries_say_it(admin: Visitor, pbx: Pbx, hooks: list[Hook]) -> None:
    """A delivery that was never attempted says why, and not that there was no response."""
    store(pbx, Report(hooks[0].event_type, "101", call_id="c1"))
    for path in ("deliveries", "call?id=c1"):
        shown = admin.get(f"/pbxs/head-office/{path}").text
        text = re.sub("<.*?>", "", shown, flags=re.DOTALL)
        assert "The request was suspended when this call event arrived" in text
        assert ("not sent" in shown, "no response" in shown) == (True, False)
