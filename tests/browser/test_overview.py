"""The overview and suspended requests in the browser: live, and resumed by a click."""

import threading
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from callevents.db.models import Hook, Pbx, utc_now
from callevents.db.session import begin_write
from callevents.enums import DeliveryState, EventType
from callevents.extensions import db
from callevents.operations.statistics import refresh
from callevents.pbxs import extensions
from tests.browser.conftest import check_accessibility
from tests.conftest import Configure
from tests.support.aged_events import AddEvents


@pytest.fixture
def suspended(configure: Configure, pbx: Pbx) -> str:
    """A suspended request of extension 101; the path of the extension's page."""
    configure.extension("101")
    hook = configure.hook("101", EventType.HANGUP, "http://crm.example.com/cdr")
    begin_write()
    stored = db.session.get_one(Hook, hook.id)
    stored.suspended_at = stored.failing_since = utc_now()
    stored.suspended_reason = "The receiver returned 410 Gone."
    db.session.commit()
    return f"/pbxs/head-office/extensions/{extensions.list_extensions(pbx)[0].id}"


def test_overview_follows_what_happens(admin: Page, add_events: AddEvents) -> None:
    """New figures appear automatically; an open table stays open; axe finds nothing."""
    admin.goto("/overview")
    table = admin.get_by_text("Table of deliveries accepted per minute")
    table.click()
    rows = admin.locator("#chart-deliveries-table tbody tr")
    expect(rows.first).to_be_visible()
    add_events(7, state=DeliveryState.FAILED)
    now = utc_now()
    refresh(db.engine, now - timedelta(minutes=5), now, threading.Event())
    expect(admin.locator(".tiles")).to_contain_text("7 failed")
    expect(rows.first).to_be_visible()
    check_accessibility(admin)


def test_span_and_pbx_are_chosen(admin: Page, add_events: AddEvents) -> None:
    """A click shows the day; a choice shows the PBX, with the day kept."""
    admin.goto("/overview")
    admin.get_by_role("link", name="24 hours").click()
    expect(admin.locator(".tiles")).to_contain_text("accepted in 24 hours")
    admin.get_by_label("PBX", exact=True).select_option("Head office")
    admin.wait_for_url("**/overview?span=day&pbx=head-office")


def test_click_resumes_a_request(admin: Page, suspended: str) -> None:
    """The triangle is the button; the banner goes with the last one; recovery is offered."""
    admin.goto(suspended)
    expect(admin.locator("#suspended")).to_contain_text("1 request suspended")
    check_accessibility(admin)
    row = admin.get_by_role("row").filter(has_text="crm.example.com")
    row.get_by_role("button", name="Suspended since").click()
    recover = admin.locator("#toasts").get_by_role("link", name="Recover failed deliveries")
    # A toast stays while the pointer is over it.
    recover.hover()
    expect(row.get_by_role("button", name="Enabled, click to disable")).to_be_visible()
    expect(admin.locator("#suspended")).to_have_count(0)
    recover.click()
    expect(admin.get_by_role("heading", level=1)).to_contain_text("Recover")


def test_all_are_resumed_in_a_dialog(admin: Page, suspended: str) -> None:
    """The dialog lists each request, and afterwards each can be recovered."""
    admin.goto("/pbxs/head-office/extensions")
    admin.locator("#resume-all").click()
    dialog = admin.get_by_role("dialog")
    expect(dialog).to_contain_text("The receiver returned 410 Gone.")
    check_accessibility(admin)
    dialog.get_by_role("button", name="Resume").click()
    expect(dialog).to_contain_text("1 request resumed")
    expect(admin.locator("#suspended")).to_have_count(0)
    dialog.get_by_role("link", name="Recover failed deliveries").click()
    expect(dialog).to_contain_text("All of them")


def test_resuming_without_javascript(plain: Page, suspended: str) -> None:
    """The icon and the page of the dialog are plain forms."""
    plain.goto("/overview")
    plain.locator("#resume-all").click()
    plain.get_by_role("button", name="Resume").click()
    expect(plain.get_by_role("main")).to_contain_text("1 request resumed")
    expect(plain.locator("#suspended")).to_have_count(0)
