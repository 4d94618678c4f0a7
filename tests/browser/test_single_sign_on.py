"""Single sign-on in Chromium, with a provider on loopback."""

from collections.abc import Iterator

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page, expect

from callevents.config.oidc import OidcProvider
from callevents.extensions import app_state
from tests.browser.conftest import NARROW, check_accessibility, scrolls_sideways
from tests.support.oidc_provider import CLIENT_ID, CLIENT_SECRET, Provider


@pytest.fixture
def server(app: Flask, site: str, people: None) -> Iterator[Provider]:
    """A provider whose user olga is an admin."""
    server = Provider([f"{site}/sign-in/with/acme/return"])
    server.user["groups"] = ["pbx-admins"]
    values = {
        "slug": "acme",
        "label": "Acme",
        "issuer": server.issuer,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "grants": {"groups": {"pbx-admins": ["admin"]}},
    }
    app_state().settings.oidc_providers = (OidcProvider.model_validate(values),)
    yield server
    server.close()


@pytest.fixture(params=[True, False], ids=["script", "plain"])
def page(request: pytest.FixtureRequest, browser: Browser, site: str) -> Iterator[Page]:
    """A browser that is not signed in, with JavaScript and without."""
    context = browser.new_context(base_url=site, java_script_enabled=request.param)
    yield context.new_page()
    context.close()


def test_sign_in_and_out(server: Provider, page: Page) -> None:
    """A click signs in by way of the provider; signing out goes there too."""
    page.goto("/overview")
    page.get_by_role("link", name="Sign in with Acme").click()
    page.wait_for_url("**/overview")
    page.goto("/account")
    expect(page.get_by_text("by single sign-on")).to_be_visible()
    expect(page.get_by_role("heading", name="Second factor")).to_have_count(0)
    page.locator("#account-menu").click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(f"{server.issuer}/end?**")
    page.goto("/overview")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("is_narrow", [False, True], ids=["wide", "narrow"])
def test_pages(server: Provider, browser: Browser, site: str, theme: str, is_narrow: bool) -> None:
    """The sign-in page is accessible and fits the window, also without local passwords."""
    settings = app_state().settings
    options = {"viewport": NARROW} if is_narrow else {}
    context = browser.new_context(base_url=site, color_scheme=theme, **options)
    page = context.new_page()
    for has_passwords in (True, False):
        settings.local_passwords, settings.break_glass_user = has_passwords, "admin"
        page.goto("/sign-in")
        check_page(page)
    page.get_by_text("Emergency sign-in").click()
    expect(page.get_by_label("Username")).to_be_visible()
    check_page(page)
    server.close()
    page.get_by_role("link", name="Sign in with Acme").click()
    expect(page.get_by_text("Acme cannot be reached")).to_be_visible()
    check_page(page)
    context.close()


def check_page(page: Page) -> None:
    """Check accessibility and width."""
    check_accessibility(page)
    assert not scrolls_sideways(page)
