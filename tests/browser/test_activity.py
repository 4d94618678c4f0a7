"""The page 'Activity' in a browser: filters and pages, with and without JavaScript."""

import re

import pytest
from playwright.sync_api import Page, expect

from callevents.db.models import Pbx
from callevents.db.session import begin_write
from callevents.enums import EventType
from callevents.extensions import db
from callevents.pbxs import pbxs
from tests.conftest import Configure


@pytest.fixture
def history(pbx: Pbx, configure: Configure) -> None:
    """An entry about an extension, some about a request, and more than a page of others."""
    configure.extension("101")
    configure.hook("101", EventType.DIAL_IN, "http://127.0.0.1:9/")
    for number in range(60):
        begin_write()
        pbxs.rename_pbx(pbx, f"Name {number}")
        db.session.commit()


def test_a_choice_filters_at_once(admin: Page, history: None) -> None:
    """The list follows the fields without a reload; the URL has the filter."""
    admin.goto("/activity")
    rows = admin.locator(".activity tbody tr")
    expect(rows).to_have_count(50)
    admin.evaluate("document.body.dataset.same = 'yes'")
    admin.get_by_label("Action").select_option(label="Extension added")
    expect(rows).to_have_count(1)
    expect(admin).to_have_url(re.compile(r"/activity\?action=extension\.added$"))
    assert admin.evaluate("document.body.dataset.same") == "yes"
    admin.get_by_role("link", name="101").click()
    expect(admin.get_by_role("cell", name="Request created")).to_be_visible()
    admin.get_by_role("link", name="Clear filter").click()
    expect(rows).to_have_count(50)


def test_without_javascript(plain: Page, history: None) -> None:
    """The button filters, and links lead to older entries and back."""
    plain.goto("/activity")
    plain.get_by_label("Object").fill("101")
    plain.get_by_role("button", name="Filter").click()
    expect(plain.locator(".activity tbody tr")).to_have_count(1)
    plain.goto("/activity?action=pbx.renamed")
    expect(plain.locator("ins").first).to_contain_text("Name 59")
    plain.get_by_role("link", name="Older").click()
    expect(plain.locator(".activity tbody tr")).to_have_count(10)
    plain.get_by_role("link", name="Newest").click()
    expect(plain.locator(".activity tbody tr")).to_have_count(50)


def test_from_a_request_to_its_history(admin: Page, history: None) -> None:
    """The dialog links to what was done to the request."""
    admin.goto("/pbxs/head-office/extensions")
    admin.get_by_role("link", name="101").first.click()
    admin.get_by_role("link", name="Dial-In", exact=True).click()
    admin.get_by_role("dialog").get_by_role("link", name="History").click()
    expect(admin.locator(".activity tbody tr")).to_have_count(1)
    expect(admin.locator(".activity tbody tr .action")).to_have_text("Request created")
