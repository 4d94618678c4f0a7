"""Suggested extensions in a browser: select, add, dismiss, and ask the PBX."""

import pytest
from playwright.sync_api import Page, expect

from callevents.db.models import Pbx, utc_now
from callevents.db.session import begin_write
from callevents.extensions import db
from callevents.pbxs import connectors, extensions, suggestions
from tests.browser.conftest import NARROW, People, check_accessibility, scrolls_sideways
from tests.support.connected_pbx import follow, know

PAGE = "/pbxs/head-office"
NAMES = {"201": "Anna Schmidt", "202": "", "203": "Front desk with a rather long name", "204": ""}


@pytest.fixture
def listed(pbx: Pbx) -> Pbx:
    """A connected PBX that has listed four numbers."""
    follow(pbx, listed=4, listed_at=utc_now())
    know(pbx, NAMES)
    return pbx


def added(pbx: Pbx) -> list[str]:
    """Return the numbers of the PBX's extensions."""
    db.session.rollback()
    return [one.number for one in extensions.list_extensions(pbx)]


def test_one_selected_and_all(admin: Page, listed: Pbx) -> None:
    """A row's button adds that row only; the other buttons add the selected ones, or all."""
    admin.goto(f"{PAGE}/extensions")
    expect(admin.get_by_role("button", name="Add selected")).to_be_disabled()
    check_accessibility(admin)
    admin.get_by_label("202").check()
    admin.get_by_role("button", name="Add 201").click()
    expect(admin.get_by_role("button", name="Add 201")).to_have_count(0)
    assert added(listed) == ["201"]
    admin.get_by_label("202").check()
    admin.get_by_role("button", name="Add selected").click()
    expect(admin.get_by_role("button", name="Add 202")).to_have_count(0)
    assert added(listed) == ["201", "202"]
    admin.get_by_role("button", name="Add all 2").click()
    expect(admin.locator(".suggestions")).to_have_count(0)
    assert added(listed) == ["201", "202", "203", "204"]


def test_without_javascript(plain: Page, listed: Pbx) -> None:
    """The same by forms alone."""
    plain.goto(f"{PAGE}/extensions")
    plain.get_by_role("button", name="Dismiss 204").click()
    expect(plain.get_by_role("button", name="Dismiss 204")).to_have_count(0)
    plain.get_by_label("202").check()
    plain.get_by_role("button", name="Add selected").click()
    expect(plain.get_by_role("button", name="Add 203")).to_be_visible()
    assert added(listed) == ["202"]
    assert suggestions.count_suggestions(listed) == 2


def test_the_pbx_is_asked(admin: Page, listed: Pbx) -> None:
    """The page shows that the PBX was asked and, automatically, its list."""
    admin.goto(PAGE)
    expect(admin.get_by_role("link", name="4 suggested")).to_be_visible()
    check_accessibility(admin)
    admin.get_by_role("button", name="Ask the PBX now").click()
    expect(admin.get_by_text("no response yet")).to_be_visible()
    begin_write()
    connector = connectors.get_connector(listed)
    connector.listed, connector.listed_at = 5, utc_now()
    db.session.commit()
    expect(admin.get_by_text("5 listed")).to_be_visible()
    expect(admin.get_by_text("no response yet")).to_have_count(0)


def test_narrow(sign_in: People, listed: Pbx) -> None:
    """Nothing scrolls sideways."""
    page = sign_in.open("admin", viewport=NARROW)
    for path in (PAGE, f"{PAGE}/extensions"):
        page.goto(path)
        assert not scrolls_sideways(page)
