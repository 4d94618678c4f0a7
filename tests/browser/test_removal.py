"""Removing a PBX in a browser: the name is typed, and the list follows the progress."""

import threading

from playwright.sync_api import Page, expect

from callevents.db.models import Pbx
from callevents.extensions import db
from callevents.pbxs import pbxs, removal
from tests.browser.conftest import NARROW, People, check_accessibility, scrolls_sideways
from tests.conftest import Configure
from tests.support.filled_pbx import count_rows, fill


def test_removal(admin: Page, pbx: Pbx, other_pbx: Pbx, configure: Configure) -> None:
    """A wrong name is refused in the dialog; the right one leads to the list, which is live."""
    fill(pbx, configure)
    pbx_id = pbx.id
    db.session.rollback()
    admin.goto("/pbxs/head-office")
    admin.get_by_role("link", name="Remove Head office").click()
    dialog = admin.get_by_role("dialog")
    expect(dialog.get_by_text("10 waiting deliveries")).to_be_visible()
    check_accessibility(admin)
    name = dialog.get_by_label("Name of the PBX in URLs")
    name.fill("head")
    dialog.get_by_role("button", name="Remove PBX").click()
    expect(dialog.get_by_text("Type head-office to remove Head office.")).to_be_visible()
    name.fill("head-office")
    dialog.get_by_role("button", name="Remove PBX").click()
    row = admin.locator("#removing-head-office")
    expect(row).to_contain_text("0 rows")
    expect(admin.get_by_text("Head office is being removed.")).to_be_visible()
    expect(admin.locator("#pbx-branch")).to_be_visible()
    check_accessibility(admin)
    batches = removal.remove_rows(db.engine, pbx_id, threading.Event(), pause=0)
    next(batches)
    next(batches)
    expect(row).to_contain_text("10 of 36 rows")
    list(batches)
    expect(row).to_have_count(0)
    assert count_rows().keys() == {"pbx", "ingest_token", "user_grant"}


def test_quotas(admin: Page, pbx: Pbx) -> None:
    """Quotas are set in a dialog, and the page shows them at once."""
    admin.goto("/pbxs/head-office")
    admin.get_by_role("link", name="Edit quotas").click()
    dialog = admin.get_by_role("dialog")
    dialog.get_by_label("Extensions").fill("x")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_text("Enter a whole number from 1 to 1,000,000")).to_be_visible()
    check_accessibility(admin)
    dialog.get_by_label("Extensions").fill("50")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_have_count(0)
    expect(admin.locator("#quota-max_extensions")).to_contain_text("0 of 50")
    # Its tokens have other IDs now: the page knows them.
    admin.get_by_role("link", name="Revoke").click()
    expect(admin.get_by_role("dialog")).to_contain_text("Revoke the token")


def test_narrow_and_without_javascript(plain: Page, sign_in: People, pbx: Pbx) -> None:
    """The pages fit a phone; without JavaScript the confirmation is a page."""
    phone = sign_in.open("admin", viewport=NARROW)
    phone.goto("/pbxs/head-office")
    assert not scrolls_sideways(phone)
    plain.goto("/pbxs/head-office/remove")
    plain.get_by_label("Name of the PBX in URLs").fill("head-office")
    plain.get_by_role("button", name="Remove PBX").click()
    expect(plain.locator("#removing-head-office")).to_be_visible()
    phone.goto("/pbxs")
    assert not scrolls_sideways(phone)
    db.session.rollback()
    assert pbxs.list_pbxs() == []
