"""API tokens and apps: created, shown once, copied, changed, revoked, removed."""

import re

import pytest
from flask import Flask
from playwright.sync_api import Locator, Page, expect

from callevents.api_access.api_tokens import find_api_token, list_api_tokens
from callevents.api_access.apps import is_secret_of, list_apps
from callevents.db.models import Pbx
from callevents.extensions import db
from callevents.users.users import get_user
from tests.api_access.adding import add_app, add_token, allow
from tests.browser.conftest import NARROW, People, check_accessibility, scrolls_sideways

ACCESS = "/api-access"


@pytest.fixture(params=[True, False], ids=["htmx", "plain"])
def page(request: pytest.FixtureRequest, sign_in: People, pbx: Pbx) -> Page:
    """The page of an admin, with JavaScript and without."""
    page = sign_in.open(java_script_enabled=request.param)
    page.goto(ACCESS)
    return page


def row(page: Page, table: str, text: str) -> Locator:
    """Return the row with the text."""
    found = page.get_by_role("table", name=table, exact=True).get_by_role("row")
    return found.filter(has_text=text)


def go_on(page: Page) -> None:
    """Close the dialog, or return from its page."""
    page.locator(".dialog-foot").get_by_text(re.compile("Close|Back to API access")).click()


def test_token_by_form(page: Page) -> None:
    """Create one, see it once, revoke it after a question; with and without JavaScript."""
    page.get_by_role("link", name="Create token").click()
    page.get_by_label("Name").fill("Nightly export")
    page.get_by_role("button", name="Create token").click()
    expect(page.get_by_text("Choose at least one scope.")).to_be_visible()
    page.get_by_role("checkbox", name="see requests").check()
    page.get_by_role("checkbox", name="send deliveries again").check()
    page.get_by_label("PBX", exact=True).select_option("Head office")
    page.get_by_role("button", name="Create token").click()
    text = page.locator("#new-api-token").inner_text()
    db.session.rollback()
    token = find_api_token(text)
    assert token is not None
    assert (token.scopes, token.pbx_id) == ("hooks:read deliveries:write", 1)
    token_id = token.id
    go_on(page)
    found = row(page, "API tokens", "Nightly export")
    expect(found).to_contain_text("hooks:read deliveries:write")
    expect(found).to_contain_text("Head office")
    expect(page.get_by_text(text)).to_have_count(0)
    page.locator(f"#revoke-{token_id}").click()
    expect(page.get_by_text("stop working at once")).to_be_visible()
    page.get_by_role("button", name="Revoke token").click()
    expect(page.get_by_text("The API token Nightly export is revoked.")).to_be_visible()
    expect(page.get_by_text("No tokens. A script")).to_be_visible()
    db.session.rollback()
    assert find_api_token(text) is None


def test_app_by_form(page: Page) -> None:
    """Add one, see its secret once, change it, renew the secret, remove it."""
    page.get_by_role("link", name="Add app").click()
    page.get_by_label("Name").fill("CRM")
    page.get_by_label("Owner").select_option("viewer")
    page.get_by_label("Redirect URIs").fill("http://crm.example.com/")
    page.get_by_role("button", name="Add app").click()
    expect(page.get_by_text("URI 1: Use https")).to_be_visible()
    page.get_by_label("Redirect URIs").fill("https://crm.example.com/\nhttp://localhost/")
    page.get_by_role("button", name="Add app").click()
    first = page.locator("#client-secret").inner_text()
    expect(page.locator("#token-url")).to_have_text(re.compile("^http://127.*/oauth/token.php$"))
    check_secret(first)
    go_on(page)
    found = row(page, "Apps", "CRM")
    expect(found).to_contain_text("uapi")
    expect(found).to_contain_text("viewer")

    page.get_by_role("link", name="CRM", exact=True).click()
    page.get_by_label("Name").fill("Wallboard")
    page.get_by_role("checkbox", name="see calls").check()
    page.get_by_role("button", name="Save").click()
    expect(row(page, "Apps", "Wallboard")).to_contain_text("uapi calls:read")

    page.get_by_role("link", name="New secret for Wallboard").click()
    expect(page.get_by_text("The current secret stops working at once")).to_be_visible()
    page.get_by_role("button", name="Create new secret").click()
    second = page.locator("#client-secret").inner_text()
    assert second != first
    check_secret(second)
    go_on(page)

    page.get_by_role("link", name="Remove Wallboard").click()
    page.get_by_role("button", name="Remove app").click()
    expect(page.get_by_text("The app Wallboard was removed.")).to_be_visible()
    expect(page.get_by_text("No apps. Add one")).to_be_visible()
    db.session.rollback()
    assert list_apps() == []


def check_secret(secret: str) -> None:
    """Check that this is the secret of the only app."""
    db.session.rollback()
    [app] = list_apps()
    assert is_secret_of(app, secret)


def test_app_with_access(app: Flask, sign_in: People) -> None:
    """A viewer sees what the app may do, in words, and withdraws it."""
    allow(get_user("viewer"), add_app(get_user("admin"), "CRM"))
    page = sign_in.open("viewer")
    page.locator("#account-menu").click()
    page.get_by_role("link", name="API access").click()
    expect(page.get_by_role("heading", name="Apps", exact=True)).to_have_count(0)
    found = row(page, "Apps with access", "CRM")
    expect(found).to_contain_text("manage the call events of extensions with VoipNow's UnifiedAPI")
    found.get_by_role("link", name="Revoke the access of CRM").click()
    page.get_by_role("button", name="Revoke access").click()
    expect(page.get_by_text("CRM has no access any more.")).to_be_visible()
    expect(found).to_have_count(0)


def test_copied_with_the_keyboard(sign_in: People, pbx: Pbx) -> None:
    """The dialog is filled in with the keyboard, the token is copied, and focus returns."""
    page = sign_in.open()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(ACCESS)
    page.locator("#create-api-token").focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Name")).to_be_focused()
    page.keyboard.type("Export")
    page.keyboard.press("Tab")
    expect(dialog.get_by_role("checkbox", name="see PBXs")).to_be_focused()
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    shown = dialog.locator("#new-api-token")
    text = shown.inner_text()
    dialog.get_by_role("button", name="Copy token").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Copied.")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == text
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.locator("#create-api-token")).to_be_focused()
    db.session.rollback()
    assert [token.scopes for token in list_api_tokens()] == ["pbxs:read"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_dialogs_keep_the_rules(sign_in: People, pbx: Pbx, scheme: str) -> None:
    """On a phone: the dialogs fit, errors have focus, axe finds nothing."""
    add_token(get_user("viewer"), "Export", pbx=pbx)
    page = sign_in.open(viewport=NARROW, color_scheme=scheme, reduced_motion="reduce")
    page.goto(ACCESS)
    dialog = page.get_by_role("dialog")
    page.locator("#create-api-token").click()
    dialog.get_by_role("button", name="Create token").click()
    expect(dialog.get_by_label("Name")).to_be_focused()
    expect(dialog.get_by_text("Choose at least one scope.")).to_be_visible()
    check(page)
    dialog.get_by_label("Name").fill("x")
    dialog.get_by_role("button", name="Create token").click()
    expect(dialog.get_by_role("checkbox", name="see PBXs")).to_be_focused()
    dialog.get_by_role("checkbox", name="see requests").check()
    dialog.get_by_role("button", name="Create token").click()
    expect(dialog.locator("#new-api-token")).to_be_visible()
    check(page)
    go_on(page)
    page.locator("#add-app").click()
    dialog.get_by_label("Name").fill("CRM")
    check(page)
    dialog.get_by_role("button", name="Add app").click()
    expect(dialog.locator("#client-secret")).to_be_visible()
    check(page)


def check(page: Page) -> None:
    """Check that the page fits and is accessible."""
    assert not scrolls_sideways(page)
    check_accessibility(page)
