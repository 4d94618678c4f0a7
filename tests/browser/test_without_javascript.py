"""The same work without JavaScript: real forms, pages instead of dialogs."""

from playwright.sync_api import Page, expect

from callevents.db.models import Pbx
from callevents.enums import EventType
from callevents.extensions import db
from callevents.hooks import queries
from callevents.pbxs import extensions, pbxs
from tests.browser.test_event_table import extension, row, stored_hooks

__all__ = ["extension"]


def test_toggle(plain: Page, extension: str, pbx: Pbx) -> None:
    """The icon is a form that redirects to the table, which shows a message."""
    plain.goto(extension)
    row(plain, "Dial-Out").get_by_role("button", name="click to disable").click()
    expect(row(plain, "Dial-Out").get_by_role("button", name="click to enable")).to_be_visible()
    expect(plain.get_by_text("Dial-Out of 101 is disabled")).to_be_visible()
    assert [hook.active for hook in stored_hooks(pbx)] == [False, True]


def test_configure(plain: Page, extension: str, pbx: Pbx) -> None:
    """The dialog is a page: it rejects invalid input and saves valid input."""
    plain.goto(extension)
    row(plain, "Dial-In").get_by_role("link", name="Dial-In").click()
    plain.get_by_label("Make request to").fill("https://user:secret@crm.example.com/")
    plain.get_by_role("button", name="Save").click()
    expect(plain.get_by_text("must not contain a username or password")).to_be_visible()
    plain.get_by_label("Make request to").fill("https://crm.example.com/pop")
    plain.get_by_role("button", name="Save").click()
    expect(row(plain, "Dial-In")).to_contain_text("crm.example.com")
    assert len(stored_hooks(pbx)) == 3


def test_clear_selected(plain: Page, extension: str, pbx: Pbx) -> None:
    """Clearing asks on a separate page: Cancel goes back, OK removes."""
    plain.goto(extension)
    row(plain, "Hangup").get_by_role("checkbox").check()
    plain.get_by_role("button", name="Clear selected").click()
    plain.get_by_role("link", name="Cancel").click()
    expect(row(plain, "Hangup")).to_be_visible()
    assert len(stored_hooks(pbx)) == 2
    row(plain, "Hangup").get_by_role("checkbox").check()
    plain.get_by_role("button", name="Clear selected").click()
    expect(plain.get_by_role("main")).to_contain_text("Hangup")
    plain.get_by_role("button", name="OK").click()
    expect(row(plain, "Hangup")).to_contain_text("Not configured")
    assert [hook.event_type for hook in stored_hooks(pbx)] == [EventType.DIAL_OUT]


def test_first_steps(plain: Page) -> None:
    """From nothing to a test event: PBX, extension, request, test event."""
    plain.goto("/")
    plain.get_by_role("link", name="Add a PBX").click()
    plain.get_by_label("Name").fill("Office")
    plain.get_by_role("button", name="Add").click()
    expect(plain.get_by_text("cet_").first).to_be_visible()
    plain.goto("/")
    plain.get_by_role("link", name="Add an extension").click()
    plain.get_by_label("Number").fill("101")
    plain.get_by_role("button", name="Add").click()
    expect(plain.get_by_role("link", name="101", exact=True)).to_be_visible()
    db.session.rollback()
    office = pbxs.get_pbx("office")
    assert [one.number for one in extensions.list_extensions(office)] == ["101"]
    plain.goto("/")
    plain.get_by_role("link", name="Configure Dial-In of 101").click()
    plain.get_by_label("Make request to").fill("https://crm.example.com/pop")
    plain.get_by_role("button", name="Save").click()
    expect(row(plain, "Dial-In")).to_contain_text("crm.example.com")
    plain.goto("/")
    plain.get_by_role("link", name="Send a test event").click()
    plain.get_by_role("button", name="Send").click()
    expect(plain.get_by_role("main")).to_contain_text("1 request for this event")
    db.session.rollback()
    assert len(queries.list_all_hooks(pbxs.get_pbx("office"))) == 1


def test_search(plain: Page, extension: str) -> None:
    """The list of extensions is searched with a button."""
    plain.goto("/pbxs/head-office/extensions")
    plain.get_by_role("searchbox").fill("recep")
    plain.get_by_role("button", name="Search").click()
    expect(plain.get_by_role("link", name="101", exact=True)).to_be_visible()
    plain.get_by_role("searchbox").fill("nobody")
    plain.get_by_role("button", name="Search").click()
    expect(plain.get_by_role("link", name="101", exact=True)).to_have_count(0)
