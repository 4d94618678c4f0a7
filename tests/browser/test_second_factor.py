"""An authenticator app in Chromium: set-up, sign-in with a code and with a recovery code."""

import time

import pyotp
import pytest
from flask import Flask
from playwright.sync_api import Page, expect

from callevents.enums import Role
from callevents.extensions import app_state
from tests.browser.conftest import PASSWORD, People

STEP_SECONDS = 30


@pytest.fixture(params=[True, False], ids=["htmx", "plain"])
def page(request: pytest.FixtureRequest, sign_in: People) -> Page:
    """The browser of an admin, with JavaScript and without."""
    return sign_in.open(java_script_enabled=request.param)


def set_up(page: Page) -> pyotp.TOTP:
    """Set up an app on the page that is open; return it."""
    page.get_by_role("link", name="Set up an app").click()
    app = pyotp.TOTP(page.locator("#app-key").inner_text())
    page.get_by_label("Code in the app").fill(app.now())
    page.get_by_label("Current password").fill(PASSWORD)
    page.get_by_role("button", name="Set up").click()
    expect(page.get_by_text("The app is set up.")).to_be_visible()
    return app


def enter(page: Page, code: str) -> None:
    """Sign out; sign in with the password and this code."""
    page.goto("/account")
    page.locator("#account-menu").click()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("Code").fill(code)
    page.get_by_role("button", name="Sign in").click()


def test_sign_in_with_an_app(page: Page) -> None:
    """A code signs in once, and so does a recovery code."""
    page.goto("/account")
    app = set_up(page)
    recovery_code = page.locator(".recovery-codes code").first.inner_text()
    # The next code: the one of now confirmed the set-up, and works once.
    code = app.at(time.time() + STEP_SECONDS)
    enter(page, code)
    page.wait_for_url(lambda url: "/sign-in" not in url)
    enter(page, code)
    expect(page.get_by_text("Wrong code, or one that was used before.")).to_be_visible()
    page.get_by_label("Code").fill(recovery_code.replace("-", " ").upper())
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: "/sign-in" not in url)
    page.goto("/account")
    expect(page.get_by_text("9 left")).to_be_visible()
    page.get_by_role("link", name="Turn off").click()
    page.get_by_label("Current password").fill(PASSWORD)
    page.get_by_role("button", name="Turn off").click()
    expect(page.get_by_text("The app is turned off.")).to_be_visible()


def test_required_second_factor(app: Flask, page: Page) -> None:
    """An admin who needs a second factor sets it up before anything else, and goes on."""
    app_state().settings.second_factor_roles = (Role.ADMIN,)
    page.goto("/pbxs")
    expect(page.get_by_role("heading", name="Set up a second factor")).to_be_visible()
    expect(page.get_by_role("navigation")).to_have_count(0)
    set_up(page)
    page.get_by_role("link", name="I have kept the codes").click()
    expect(page.get_by_role("heading", name="Account")).to_be_visible()
    page.goto("/pbxs")
    expect(page.get_by_role("heading", name="PBXs")).to_be_visible()
