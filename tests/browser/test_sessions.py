"""The list of sessions: end one, and all others."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import People


@pytest.fixture(params=[True, False], ids=["htmx", "plain"])
def page(request: pytest.FixtureRequest, sign_in: People) -> Page:
    """The account page, with JavaScript and without."""
    page = sign_in.open(java_script_enabled=request.param)
    page.goto("/account")
    return page


def test_ended_session_is_signed_out(page: Page, sign_in: People) -> None:
    """The row disappears, and the next click in the other browser leads to the sign-in page."""
    other = sign_in.open()
    page.reload()
    rows = page.get_by_role("table", name="Sessions").locator("tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.filter(has_text="this session")).to_have_count(1)
    rows.get_by_role("button", name="End").click()
    expect(page.get_by_text("The session has ended.")).to_be_visible()
    expect(rows).to_have_count(1)
    expect(page.get_by_role("button", name="End all others")).to_have_count(0)
    other.goto("/pbxs")
    expect(other.get_by_role("heading", name="Sign in")).to_be_visible()


def test_all_others_are_ended(page: Page, sign_in: People) -> None:
    """Only this session is left."""
    others = [sign_in.open() for _ in range(2)]
    page.reload()
    rows = page.get_by_role("table", name="Sessions").locator("tbody tr")
    expect(rows).to_have_count(3)
    page.get_by_role("button", name="End all others").click()
    expect(page.get_by_text("All other sessions have ended.")).to_be_visible()
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("this session")
    for other in others:
        other.goto("/pbxs")
        expect(other.get_by_role("heading", name="Sign in")).to_be_visible()
