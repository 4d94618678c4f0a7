"""The page of all requests, and changing many of them."""

import html
import re
from collections.abc import Sequence

import pytest
from sqlalchemy import func, select

from callevents.db.models import BulkChange, Hook, Pbx
from callevents.db.session import begin_write
from callevents.enums import EventType, HookScope
from callevents.extensions import db
from callevents.hooks.hooks import set_active
from tests.conftest import Configure
from tests.support.statement_count import counting
from tests.web.conftest import Visitor

CHANGE = "/pbxs/head-office/requests/change"
HTMX = {"HX-Request": "true"}


@pytest.fixture
def hooks(configure: Configure) -> Sequence[Hook]:
    """Three requests of one extension, one of them with a secret in its URL."""
    configure.extension("101", "Ann")
    return [
        configure.hook("101", EventType.DIAL_IN, "https://old.example.com/in?token=geheim"),
        configure.hook("101", EventType.HANGUP, "https://old.example.com/end"),
        configure.hook("*", EventType.HANGUP, "https://other.example.com/"),
    ]


def previewed(text: str) -> str:
    """Return what the preview passes on."""
    found = re.search(r'name="previewed"\s+value="([^"]+)"', text)
    assert found, text
    return found[1]


def urls() -> list[str]:
    """Return the URLs of all requests."""
    db.session.rollback()
    return list(db.session.scalars(select(Hook.url).order_by(Hook.id)))


def test_lists_and_filters(admin: Visitor, hooks: Sequence[Hook], other_pbx: Pbx) -> None:
    """Requests of one PBX or of all are listed with secrets masked; the filter narrows them."""
    Configure(other_pbx).hook("*", EventType.HANGUP, "https://branch.example.com/")
    page = admin.get("/pbxs/head-office/requests").text
    assert "3 requests" in page
    assert "geheim" not in page
    assert "branch.example.com" not in page
    assert "4 requests" in admin.get("/requests").text
    assert "1 request matches" in admin.get("/requests?host=branch.example.com").text
    assert "2 requests match" in admin.get("/requests?extension=101&event=").text
    wrong = admin.get("/requests?state=broken&event=x&pbx=nowhere")
    assert wrong.status_code == 200
    assert "Must be one of: enabled, disabled, suspended, failing." in wrong.text
    assert "There is no PBX" in html.unescape(wrong.text)
    assert admin.get("/pbxs/nowhere/requests").status_code == 404


def test_pages(admin: Visitor, configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    """Long lists have pages, and all that match can be selected."""
    monkeypatch.setattr("callevents.web.views.requests.PAGE_SIZE", 2)
    for number in range(3):
        configure.hook("*", EventType.HANGUP, f"https://crm.example.com/{number}")
    page = admin.get("/requests").text
    assert "Select all 3 that match" in page
    assert "crm.example.com/0" not in page
    older = re.search(r'rel="next" href="([^"]+)"', page)
    assert older
    assert "crm.example.com/0" in admin.get(html.unescape(older[1])).text


def test_replaces_with_preview_and_undo(admin: Visitor, hooks: Sequence[Hook]) -> None:
    """A part of the URLs is replaced after a preview; Undo restores them."""
    before = urls()
    ids = [hook.event_id for hook in hooks]
    form = admin.get(f"{CHANGE}?action=replace&event_id={ids[0]}&event_id={ids[1]}").text
    assert "2 requests selected" in form
    assert 'value="old.example.com"' in form
    fields = {"action": "replace", "event_id": ids, "find": "old.", "replacement": "new."}
    preview = admin.post(CHANGE, step="preview", **fields).text
    assert "2 of 3 change." in preview
    assert "1 stays as it is." in preview
    assert "new.example.com/in?token=••••" in preview
    assert urls() == before
    done = admin.post(CHANGE, step="apply", previewed=previewed(preview), **fields)
    assert (done.status_code, done.location) == (303, "/pbxs/head-office/requests")
    assert urls()[0] == "https://new.example.com/in?token=geheim"
    page = admin.get(done.location).text
    assert "2 requests changed." in page
    change_id = db.session.scalars(select(BulkChange.id)).one()
    undone = admin.post(f"/requests/changes/{change_id}/undo")
    assert undone.status_code == 303
    assert urls() == before
    assert "2 requests restored." in admin.get("/requests").text
    assert "nothing to undo" in admin.post(f"/requests/changes/{change_id}/undo").text


def test_invalid_and_nothing_selected(admin: Visitor, hooks: Sequence[Hook]) -> None:
    """What is wrong is said beside its field; nothing is selected without ticks."""
    ids = [hook.event_id for hook in hooks]
    assert "Nothing selected" in admin.get(f"{CHANGE}?action=replace").text
    assert (
        "Nothing selected"
        in admin.post(CHANGE, action="clear", step="apply", previewed="x.1.1").text
    )
    for action, problem in (
        ("replace", "Enter the text to find in URLs."),
        ("policy", "Choose what to change."),
        ("move", "There is no receiver that all of these requests could use."),
        ("copy", "Choose the extensions to copy to."),
    ):
        answer = admin.post(CHANGE, action=action, step="preview", event_id=ids)
        assert (answer.status_code, problem in answer.text) == (422, True), action
    answer = admin.post(CHANGE, action="copy", step="preview", event_id=ids, to="999, 101")
    assert "Head office has no extension 999." in answer.text
    assert admin.get(f"{CHANGE}?action=explode").location == "/pbxs/head-office/requests"
    assert admin.post(CHANGE, action="disable", step="apply", event_id=ids).status_code == 400


def test_shows_the_preview_again_if_something_changed(
    admin: Visitor, hooks: Sequence[Hook]
) -> None:
    """Neither other requests nor other values than those previewed are changed."""
    fields = {"action": "disable", "all": "yes"}
    token = previewed(admin.get(f"{CHANGE}?action=disable&all=yes").text)
    begin_write()
    set_active(hooks[0], active=False)
    db.session.commit()
    answer = admin.post(CHANGE, step="apply", previewed=token, **fields).text
    assert "changed since: Dial-In of 101" in answer
    assert "2 of 3 change." in answer
    assert db.session.scalar(select(func.count()).where(Hook.active.is_(True))) == 2
    assert (
        admin.post(CHANGE, step="apply", previewed=previewed(answer), **fields).status_code == 303
    )
    db.session.rollback()
    assert db.session.scalar(select(func.count()).where(Hook.active.is_(True))) == 0
    replace = {"action": "replace", "all": "yes", "find": "old.", "replacement": "new."}
    token = previewed(admin.post(CHANGE, step="preview", **replace).text)
    answer = admin.post(CHANGE, step="apply", previewed=token, **{**replace, "replacement": "x."})
    assert "something else is to be changed" in answer.text
    assert "https://old.example.com/end" in urls()


def test_htmx(admin: Visitor, hooks: Sequence[Hook]) -> None:
    """With htmx, the dialog closes, a toast offers Undo, and the list is loaded again."""
    page = admin.client.get("/requests", headers={**HTMX, "HX-Source": "form#filter"})
    assert "<html" not in page.text
    assert 'hx-swap-oob="outerMorph"' in page.text
    token = previewed(admin.get(f"{CHANGE}?action=clear&all=yes").text)
    fields = {"action": "clear", "all": "yes", "step": "apply", "previewed": token}
    answer = admin.client.post(CHANGE, data={"csrf_token": admin.token, **fields}, headers=HTMX)
    assert answer.status_code == 204
    events = answer.headers["HX-Trigger"]
    assert "3 requests cleared." in events
    assert "/undo" in events
    assert "hooks-changed" in events
    assert urls() == []


def test_viewers_change_nothing(viewer: Visitor, hooks: Sequence[Hook]) -> None:
    """A viewer sees the list without ticks, and cannot search in URLs for secrets."""
    page = viewer.get("/pbxs/head-office/requests").text
    assert "bulk-form" not in page
    assert "3 requests" in page
    assert "0 requests match" in viewer.get("/requests?url=geheim").text
    assert viewer.get(f"{CHANGE}?action=disable&all=yes").status_code == 403
    assert viewer.post(CHANGE, action="disable", all="yes", step="apply").status_code == 403


def test_statements_do_not_grow_with_the_list(
    admin: Visitor, configure: Configure, pbx: Pbx
) -> None:
    """The page takes the same number of statements for one request and for many."""
    counts = []
    for number in ("1", "2", "3", "4", "5", "6"):
        configure.extension(number)
        configure.hook(number, EventType.HANGUP, f"https://crm.example.com/{number}")
        statements: list[str] = []
        with counting(statements):
            assert admin.get("/requests").status_code == 200
        counts.append(len(statements))
    assert len(set(counts)) == 1, counts


def test_shows_for_which_calls(admin: Visitor, hooks: Sequence[Hook]) -> None:
    """The list says which requests are sent once per call, and under which conditions."""
    begin_write()
    hooks[0].scope = HookScope.CALL
    hooks[1].conditions = '{"directions": ["in"]}'
    db.session.commit()
    page = admin.get("/pbxs/head-office/requests").text
    assert page.count('<span class="only-if">Once per call</span>') == 1
    assert page.count('title="Only incoming calls"') == 1
    assert re.search(r"<label[^>]*>\s*Scope", page)
    assert re.search(r'<option value="call"[^>]*>Once per call</option>', page)
