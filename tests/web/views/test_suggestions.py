"""Suggested extensions on the pages, and requesting the list from the PBX."""

from datetime import timedelta

from callevents.audit.actions import Action
from callevents.db.models import AuditEntry, Pbx, utc_now
from callevents.enums import ConnectorState
from callevents.extensions import db
from callevents.pbxs import connectors, extensions, suggestions
from tests.support.connected_pbx import follow, know
from tests.web.conftest import Visitor

BASE = "/pbxs/head-office"


def added(pbx: Pbx) -> dict[str, str]:
    """Return the PBX's extensions and their names."""
    db.session.rollback()
    return {one.number: one.name for one in extensions.list_extensions(pbx)}


def test_suggestions_show_their_source(admin: Visitor, pbx: Pbx, token: str) -> None:
    """Listed by the PBX, or the last call, with the name; values are escaped."""
    know(pbx, {"201": "<b>Anna</b>"})
    admin.client.get(f"/ingest/head-office?token={token}&event=dial-in&ext=701")
    page = admin.get(f"{BASE}/extensions").text
    assert "listed by the PBX" in page
    assert "last call" in page
    assert "&lt;b&gt;Anna&lt;/b&gt;" in page


def test_one_selected_or_all_are_added(admin: Visitor, pbx: Pbx) -> None:
    """A row's button adds that row only; the others add the selected ones, or all."""
    know(pbx, {"201": "Anna", "202": "", "203": "", "204": "", "205": ""})
    path = f"{BASE}/suggestions/add"
    admin.get(f"{BASE}/extensions")
    assert admin.post(path, only="201", number=["202"]).status_code == 303
    assert added(pbx) == {"201": "Anna"}
    admin.post(path, number=["202", "203"])
    assert set(added(pbx)) == {"201", "202", "203"}
    admin.post(path)
    assert "Nothing selected" in admin.get(f"{BASE}/extensions").text
    assert len(added(pbx)) == 3
    admin.post(path, all="yes")
    assert "2 extensions are added" in admin.get(f"{BASE}/extensions").text
    assert len(added(pbx)) == 5
    admin.post(path, only="205")
    assert "someone else has added" in admin.get(f"{BASE}/extensions").text


def test_selected_ones_are_dismissed(admin: Visitor, pbx: Pbx) -> None:
    """Dismissed numbers are not suggested; selecting nothing shows a message."""
    know(pbx, {"201": "", "202": "", "203": ""})
    admin.get(f"{BASE}/extensions")
    admin.post(f"{BASE}/suggestions/dismiss", number=["201", "202"])
    assert "2 extensions are dismissed" in admin.get(f"{BASE}/extensions").text
    admin.post(f"{BASE}/suggestions/dismiss")
    db.session.rollback()
    assert [one.number for one in suggestions.list_suggestions(pbx)] == ["203"]
    admin.post(f"{BASE}/suggestions/dismiss", number=["201", "any text"])
    assert "Nothing was dismissed: someone else" in admin.get(f"{BASE}/extensions").text


def test_history_has_only_what_was_dismissed(admin: Visitor, pbx: Pbx, token: str) -> None:
    """No text that somebody submits gets into the history, and of many numbers only some."""
    numbers = list(map(str, range(2000, 2070)))
    know(pbx, dict.fromkeys(numbers, ""))
    admin.client.get(f"/ingest/head-office?token={token}&event=dial-in&ext=701")
    admin.get(f"{BASE}/extensions")
    admin.post(f"{BASE}/suggestions/dismiss", number=["<b>lies</b>", "x" * 1000, "701", *numbers])
    assert "71 extensions are dismissed" in admin.get(f"{BASE}/extensions").text
    for submitted in (["lies"], numbers, ["701"]):
        admin.post(f"{BASE}/suggestions/dismiss", number=submitted)
    db.session.rollback()
    action = Action.SUGGESTION_DISMISSED.value
    [entry] = db.session.query(AuditEntry).filter_by(action=action)
    assert entry.after == {"count": 71, "numbers": numbers[:50]}
    assert suggestions.count_suggestions(pbx) == 0


def test_more_than_are_shown(admin: Visitor, pbx: Pbx) -> None:
    """The list is limited, and the page shows the total."""
    know(pbx, dict.fromkeys(map(str, range(2000, 2120)), ""))
    page = admin.get(f"{BASE}/extensions").text
    assert page.count("listed by the PBX") == suggestions.MAX_SUGGESTIONS
    assert "and 70 more" in page
    assert "Add all 120" in page


def test_the_pbx_is_asked_by_a_click(admin: Visitor, viewer: Visitor, pbx: Pbx) -> None:
    """The page shows the count, the notice and a missing response; only admins can ask."""
    follow(pbx, listed=7, listed_at=utc_now(), list_notice="The PBX said 'no <b>'.")
    know(pbx, {"201": ""})
    page = admin.get(BASE).text
    assert "7 listed" in page
    assert "1 suggested" in page
    assert "The PBX said &#39;no &lt;b&gt;&#39;." in page
    assert "Ask the PBX now" in page
    assert "no response yet" not in page
    before = utc_now()
    assert admin.post(f"{BASE}/connector/list").status_code == 303
    db.session.rollback()
    wanted_at = connectors.get_connector(pbx).list_wanted_at
    assert wanted_at is not None
    assert wanted_at >= before - timedelta(milliseconds=1)
    assert "no response yet" in admin.get(BASE).text
    viewer.get("/account")
    assert viewer.post(f"{BASE}/connector/list").status_code == 403
    assert "Ask the PBX" not in viewer.get(BASE).text


def test_disconnected_pbx_cannot_be_asked(admin: Visitor, pbx: Pbx) -> None:
    """There is no button without a connection, and no list without a connector."""
    admin.get(BASE)
    assert admin.post(f"{BASE}/connector/list").status_code == 404
    follow(pbx, state=ConnectorState.PAUSING)
    page = admin.get(BASE).text
    assert "not listed yet" in page
    assert "Ask the PBX" not in page
