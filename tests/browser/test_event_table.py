"""The table of call events: toggle, configure, clear; by mouse and by keyboard."""

from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from playwright.sync_api import Locator, Page, expect
from sqlalchemy import text

from callevents.db.models import Extension, Hook, Pbx, utc_now
from callevents.enums import EventType, Method
from callevents.extensions import db
from callevents.hooks import queries
from tests.browser.conftest import People
from tests.conftest import Configure

CRM = "https://crm.example.com/calls"


@pytest.fixture
def extension(configure: Configure, pbx: Pbx) -> str:
    """Extension 101 with hooks for dial-out and hangup; the path of its page."""
    configure.extension("101", "Reception")
    configure.hook("101", EventType.DIAL_OUT, CRM)
    configure.hook("101", EventType.HANGUP, CRM + "?kind=cdr", Method.POST)
    found = db.session.query(Extension).one()
    return f"/pbxs/head-office/extensions/{found.id}"


def stored_hooks(pbx: Pbx) -> list[Hook]:
    """Return the stored hooks."""
    db.session.rollback()
    return list(queries.list_all_hooks(pbx))


def row(page: Page, label: str) -> Locator:
    """Return the row of the event type."""
    return page.get_by_role("row").filter(
        has=page.get_by_role("rowheader", name=label, exact=False)
    )


def toast(page: Page) -> Locator:
    """Return the area of toasts."""
    return page.locator("#toasts")


def test_title_and_order_are_those_of_the_original(admin: Page, extension: str) -> None:
    """The table has the original's title, and its five event types in the original's order."""
    admin.goto(extension)
    title = "Head office to Third-Party Application REST Calls"
    expect(admin.get_by_role("table", name=title)).to_be_visible()
    labels = [
        cell.inner_text().splitlines()[0].strip() for cell in admin.get_by_role("rowheader").all()
    ]
    assert labels == [
        "Dial-Out",
        "Dial-In",
        "Hangup",
        "Answer on incoming call",
        "Answer on outgoing call (by the other party)",
    ]


def test_click_on_the_icon_disables_and_enables(admin: Page, extension: str, pbx: Pbx) -> None:
    """The icon toggles its row, shows a toast, and keeps the focus."""
    admin.goto(extension)
    icon = row(admin, "Dial-Out").get_by_role("button", name="Enabled, click to disable")
    icon.click()
    expect(toast(admin)).to_contain_text("Dial-Out of 101 is disabled")
    after = row(admin, "Dial-Out").get_by_role("button", name="Disabled, click to enable")
    expect(after).to_be_focused()
    assert [hook.active for hook in stored_hooks(pbx)] == [False, True]
    after.press("Enter")
    expect(row(admin, "Dial-Out").get_by_role("button", name="click to disable")).to_be_visible()
    assert [hook.active for hook in stored_hooks(pbx)] == [True, True]


def test_row_keeps_its_place_when_toggled(admin: Page, extension: str) -> None:
    """Nothing jumps when a row is swapped."""
    admin.goto(extension)
    before = [cell.bounding_box() for cell in admin.get_by_role("row").all()]
    row(admin, "Dial-Out").get_by_role("button", name="click to disable").click()
    expect(row(admin, "Dial-Out").get_by_role("button", name="click to enable")).to_be_visible()
    assert [cell.bounding_box() for cell in admin.get_by_role("row").all()] == before


def test_dialog_rejects_an_invalid_url_and_saves_a_valid_one(
    admin: Page, extension: str, pbx: Pbx
) -> None:
    """Invalid input gets an error at its field and stays; valid input is saved."""
    admin.goto(extension)
    row(admin, "Dial-In").get_by_role("link", name="Dial-In").click()
    dialog = admin.get_by_role("dialog")
    url = dialog.get_by_label("Make request to")
    expect(url).to_be_focused()
    expect(dialog).to_contain_text("generated when saved")
    url.fill("ftp://crm.example.com/x")
    dialog.get_by_label("POST", exact=True).check()
    dialog.get_by_role("button", name="Save").click()
    expect(url).to_have_attribute("aria-invalid", "true")
    expect(dialog).to_contain_text("The URL must begin with http:// or https://.")
    expect(url).to_have_value("ftp://crm.example.com/x")
    url.fill("https://crm.example.com/pop")
    dialog.get_by_label("Note", exact=False).fill("Opens the contact")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_be_hidden()
    expect(row(admin, "Dial-In")).to_contain_text("Opens the contact")
    [hook] = [one for one in stored_hooks(pbx) if one.event_type is EventType.DIAL_IN]
    assert (hook.method, hook.url, hook.active) == (
        Method.POST,
        "https://crm.example.com/pop",
        True,
    )


def test_preview_follows_the_form(admin: Page, extension: str) -> None:
    """The dialog shows the exact request, and both forms of an internationalised host."""
    admin.goto(extension)
    row(admin, "Dial-In").get_by_role("link", name="Dial-In").click()
    dialog = admin.get_by_role("dialog")
    dialog.get_by_label("Make request to").press_sequentially("https://büro.example/pop?t=7")
    expect(dialog.locator("#preview")).to_contain_text("GET /pop?t=7&CallID=")
    expect(dialog.locator("#preview")).to_contain_text("büro.example")
    expect(dialog.locator("#preview")).to_contain_text("xn--bro-hoa.example")
    dialog.get_by_label("POST", exact=True).check()
    expect(dialog.locator("#preview")).to_contain_text("POST /pop?t=7 HTTP/1.1")


def test_escape_closes_the_dialog_and_returns_the_focus(admin: Page, extension: str) -> None:
    """Esc changes nothing, and the focus returns to the link that opened the dialog."""
    admin.goto(extension)
    link = row(admin, "Hangup").get_by_role("link", name="Hangup", exact=True)
    link.click()
    dialog = admin.get_by_role("dialog")
    dialog.get_by_label("Make request to").fill("https://other.example/")
    admin.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(link).to_be_focused()
    expect(row(admin, "Hangup")).not_to_contain_text("other.example")


def test_clear_selected_asks_first(admin: Page, extension: str, pbx: Pbx) -> None:
    """Disabled until a request is selected; lists them; Cancel keeps them, OK removes them."""
    admin.goto(extension)
    clear = admin.get_by_role("button", name="Clear selected")
    expect(clear).to_be_disabled()
    row(admin, "Hangup").get_by_role("checkbox").check()
    clear.click()
    dialog = admin.get_by_role("dialog")
    expect(dialog).to_contain_text("Hangup")
    expect(dialog).not_to_contain_text("Dial-Out")
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_be_hidden()
    assert len(stored_hooks(pbx)) == 2
    clear.click()
    dialog.get_by_role("button", name="OK").click()
    expect(toast(admin)).to_contain_text("1 request cleared")
    expect(row(admin, "Hangup")).to_contain_text("Not configured")
    assert [hook.event_type for hook in stored_hooks(pbx)] == [EventType.DIAL_OUT]
    expect(clear).to_be_disabled()


def test_everything_works_by_keyboard_alone(admin: Page, extension: str, pbx: Pbx) -> None:
    """Configure, toggle and clear without a mouse."""
    admin.goto(extension)
    row(admin, "Dial-In").get_by_role("link", name="Not configured").focus()
    admin.keyboard.press("Enter")
    dialog = admin.get_by_role("dialog")
    expect(dialog.get_by_label("Make request to")).to_be_focused()
    admin.keyboard.type("https://crm.example.com/pop")
    admin.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    row(admin, "Dial-In").get_by_role("button", name="click to disable").focus()
    admin.keyboard.press("Space")
    expect(row(admin, "Dial-In").get_by_role("button", name="click to enable")).to_be_focused()
    row(admin, "Dial-In").get_by_role("checkbox").focus()
    admin.keyboard.press("Space")
    admin.get_by_role("button", name="Clear selected").focus()
    admin.keyboard.press("Enter")
    dialog.get_by_role("button", name="OK").focus()
    admin.keyboard.press("Enter")
    expect(row(admin, "Dial-In")).to_contain_text("Not configured")
    assert len(stored_hooks(pbx)) == 2


def test_second_request_of_an_event(admin: Page, extension: str, pbx: Pbx) -> None:
    """'Add another request' gives an event a second one, in a separate row."""
    admin.goto(extension)
    row(admin, "Dial-Out").get_by_role("link", name="Add another request").click()
    dialog = admin.get_by_role("dialog")
    dialog.get_by_label("Make request to").fill("https://wallboard.example.net/hook")
    dialog.get_by_role("button", name="Save").click()
    expect(admin.get_by_role("row").filter(has_text="wallboard.example.net")).to_be_visible()
    assert len(stored_hooks(pbx)) == 3


def test_viewer_sees_and_changes_nothing(sign_in: People, extension: str, pbx: Pbx) -> None:
    """A viewer has no controls, and the server rejects forged requests."""
    page = sign_in.open("viewer")
    page.goto(extension)
    expect(row(page, "Dial-Out")).to_contain_text("Enabled")
    table = page.get_by_role("table")
    for role in ("button", "checkbox"):
        for control in table.get_by_role(role).all():  # type: ignore[arg-type]  # a literal
            assert "Copy" in (control.get_attribute("title") or ""), "only ids may be copied"
    expect(page.get_by_role("button", name="Clear selected")).to_have_count(0)
    [first, _] = stored_hooks(pbx)
    status = page.evaluate(
        """async (url) => {
            const headers = JSON.parse(document.body.getAttribute('hx-headers:inherited'));
            const body = new URLSearchParams({active: 'no'});
            return (await fetch(url, {method: 'POST', headers, body})).status;
        }""",
        f"{extension}/requests/{first.event_id}/active",
    )
    assert status == 403
    assert [hook.active for hook in stored_hooks(pbx)] == [True, True]


def test_expired_form_says_so_and_changes_nothing(admin: Page, extension: str, pbx: Pbx) -> None:
    """A page that was open for too long gets a toast that says to reload; the row stays."""
    admin.goto(extension)
    icon = row(admin, "Dial-Out").get_by_role("button", name="click to disable")
    with time_machine.travel(utc_now() + timedelta(hours=13)):
        icon.click()
        expect(toast(admin)).to_contain_text("Reload")
    expect(icon).to_be_visible()
    assert all(hook.active for hook in stored_hooks(pbx))


def test_server_error_leaves_the_row_as_it_is(
    app: Flask, admin: Page, extension: str, pbx: Pbx
) -> None:
    """A server error is shown in a toast; the row does not change."""
    admin.goto(extension)
    icon = row(admin, "Dial-Out").get_by_role("button", name="click to disable")
    db.session.rollback()
    try:
        with db.engine.begin() as connection:
            connection.execute(text("ALTER TABLE hook RENAME TO hook_away"))
        icon.click()
        expect(toast(admin)).to_contain_text("othing was changed")
    finally:
        with db.engine.begin() as connection:
            connection.execute(text("ALTER TABLE hook_away RENAME TO hook"))
    expect(icon).to_be_visible()
    assert all(hook.active for hook in stored_hooks(pbx))
