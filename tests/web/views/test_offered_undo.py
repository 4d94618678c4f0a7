"""What the page of requests offers to undo: the last change, and nothing that is not possible."""

import html
import re
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from callevents.db.models import BulkChange, Hook, Pbx, utc_now
from callevents.db.session import begin_write
from callevents.delivery.removal import UNDO_TIME
from callevents.enums import EventType
from callevents.extensions import db
from callevents.hooks.hooks import set_active
from tests.conftest import Configure
from tests.web.conftest import Visitor
from tests.web.views.test_requests import CHANGE, HTMX, previewed

PAGE = "/pbxs/head-office/requests"
Change = Callable[..., str]


@pytest.fixture
def hooks(configure: Configure) -> Sequence[Hook]:
    """A request of each of six extensions, and one of all."""
    for number in range(101, 107):
        configure.extension(str(number))
    hooks = [
        configure.hook(str(number), EventType.HANGUP, f"https://crm.example.com/{number}")
        for number in range(101, 107)
    ]
    return [*hooks, configure.hook("*", EventType.HANGUP, "https://crm.example.com/all")]


@pytest.fixture
def change(admin: Visitor, hooks: Sequence[Hook]) -> Change:
    """Changes requests as the page does; returns the ID of the change."""

    def do(action: str, chosen: Sequence[Hook], **values: str) -> str:
        fields: dict[str, Any] = {"action": action, **values}
        fields["event_id"] = [hook.event_id for hook in chosen]
        token = previewed(admin.post(CHANGE, step="preview", **fields).text)
        assert admin.post(CHANGE, step="apply", previewed=token, **fields).status_code == 303
        db.session.rollback()
        newest = select(BulkChange.id).order_by(BulkChange.id.desc())
        return str(db.session.scalars(newest.limit(1)).one())

    return do


def notice(text: str) -> str:
    """Return the text of the notice, empty if nothing is offered."""
    found = re.search(r'id="undoable".*?<p>(.*?)</p>', text, re.DOTALL)
    return html.unescape(" ".join(re.sub(r"<[^>]+>", "", found[1]).split())) if found else ""


def since(text: str) -> str:
    """Return what the page sends to load its list again."""
    found = re.search(r'name="undo_since"\s+value="([^"]*)"', text)
    assert found
    return html.unescape(found[1])


def load_again(admin: Visitor, page: str) -> str:
    """Load the list of an opened page again, as htmx does."""
    query = {"undo_since": since(page)}
    text: str = admin.client.get(PAGE, query_string=query, headers=HTMX).text
    return text


def test_says_what_it_undoes(admin: Visitor, change: Change, hooks: Sequence[Hook]) -> None:
    """The notice names the extensions, and the PBX if the page has those of others too."""
    assert notice(admin.get(PAGE).text) == ""
    change("disable", hooks[:1])
    assert notice(admin.get(PAGE).text).startswith("Requests disabled: 1 request of 101, ")
    change("disable", hooks[1:])
    shown = notice(admin.get("/requests").text)
    whose = "all extensions, 102, 103, 104 and 2 more in Head office"
    assert shown.startswith(f"Requests disabled: 6 requests of {whose}, ")
    assert "Undo ends" in shown


def test_no_other_undo_after_one(admin: Visitor, change: Change, hooks: Sequence[Hook]) -> None:
    """After an undo, the list offers no earlier change, but a later one; a new page does."""
    change("disable", hooks[:2])
    last = change("disable", hooks[2:4])
    page = admin.get(PAGE).text
    assert "103 and 104" in notice(page)
    admin.post(f"/requests/changes/{last}/undo")
    listed = load_again(admin, page)
    assert notice(listed) == ""
    listed = load_again(admin, listed)
    assert notice(listed) == ""
    last = change("disable", hooks[4:5])
    listed = load_again(admin, listed)
    assert "of 105" in notice(listed)
    answer = admin.post(f"/requests/changes/{last}/undo?slug=head-office")
    assert notice(load_again(admin, listed)) == ""
    # Without JavaScript the page follows at once.
    assert notice(admin.get(answer.location).text) == ""
    assert "101 and 102" in notice(admin.get(PAGE).text)
    assert "101 and 102" in notice(admin.get(f"{PAGE}?undo_since=yesterday").text)


def test_closed(admin: Visitor, change: Change, hooks: Sequence[Hook]) -> None:
    """A closed notice stays closed when the list is loaded again."""
    change("disable", hooks[:1])
    page = admin.get(PAGE).text
    found = re.search(r'id="hide-undoable"\s+href="([^"]+)"', page)
    assert found
    closed = admin.client.get(html.unescape(found[1]), headers=HTMX).text
    assert notice(closed) == ""
    assert notice(load_again(admin, closed)) == ""


def test_only_what_is_possible(admin: Visitor, change: Change, hooks: Sequence[Hook]) -> None:
    """It counts the requests that Undo would set right; without any, nothing is offered."""
    change_id = change("copy", hooks[:1], to="102, 103")
    copies = db.session.scalars(select(Hook).order_by(Hook.id.desc()).limit(2)).all()
    begin_write()
    set_active(copies[0], active=False)
    db.session.commit()
    shown = notice(admin.get(PAGE).text)
    assert "Requests copied: 1 request of 102 and 103" in shown
    assert "1 more changed since and stays as it is." in shown
    begin_write()
    set_active(db.session.get_one(Hook, copies[1].id), active=False)
    db.session.commit()
    assert notice(admin.get(PAGE).text) == ""
    url = f"/requests/changes/{change_id}/undo"
    refused = admin.client.post(url, data={"csrf_token": admin.token}, headers=HTMX)
    assert refused.status_code == 409
    # The list closes its notice.
    assert "hooks-changed" in refused.headers["HX-Trigger"]


def test_cleared_requests(admin: Visitor, change: Change, hooks: Sequence[Hook], pbx: Pbx) -> None:
    """Clearing is offered as long as it can be undone, and then nothing that was before it."""
    change("disable", hooks[:2])
    started = utc_now()
    cleared = change("clear", hooks[2:5])
    page = admin.get(PAGE).text
    passed = utc_now() - started
    assert "Requests cleared: 3 requests of 103, 104 and 105" in notice(page)
    [seconds] = re.findall(r'hx-trigger="load delay:([0-9]+)s"', page)
    assert UNDO_TIME - passed <= timedelta(seconds=int(seconds)) <= UNDO_TIME
    begin_write()
    late = utc_now() - UNDO_TIME
    db.session.execute(update(BulkChange).where(BulkChange.id == cleared).values(made_at=late))
    db.session.commit()
    assert notice(admin.get(PAGE).text) == ""
    begin_write()
    db.session.execute(update(BulkChange).values(made_at=late - timedelta(hours=1)))
    db.session.commit()
    assert notice(admin.get(PAGE).text) == ""
