"""The page that connects a PBX, in a browser."""

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Page, expect

from callevents.db.models import Pbx
from tests.browser.conftest import NARROW, People, check_accessibility, scrolls_sideways

PAGE = "/pbxs/head-office/connect"


def test_turns_green(admin: Page, pbx: Pbx, token: str, client: FlaskClient) -> None:
    """The first event appears without a reload."""
    admin.goto(f"{PAGE}?type=kamailio")
    expect(admin.get_by_role("heading", name="Listening for the first event")).to_be_visible()
    client.get(f"/ingest/head-office?token={token}&event=dial-in&ext=101&peer=0612&call=c7")
    expect(admin.get_by_role("heading", name="Head office is connected")).to_be_visible()
    expect(admin.locator("#connect-events").get_by_role("row").nth(1)).to_contain_text("Dial-In")
    check_accessibility(admin)


def test_choosing_a_type_and_its_format(admin: Page, pbx: Pbx) -> None:
    """Another PBX type shows its snippets at once; one click sets the format, one adds a token."""
    admin.goto(PAGE)
    admin.get_by_label("PBX type").select_option("snom")
    expect(admin.locator("#snippet-1")).to_contain_text("action_incoming_url")
    admin.locator("#choose-format").click()
    expect(admin.get_by_text("is now: Phones' Action URLs")).to_be_visible()
    expect(admin.locator("#choose-format")).to_have_count(0)
    admin.locator("#fill-token").click()
    expect(admin.locator("#snippet-1")).to_contain_text("token=cet_")
    check_accessibility(admin)


def test_without_javascript(plain: Page, pbx: Pbx, token: str, client: FlaskClient) -> None:
    """A button selects the PBX type, a link checks for events."""
    plain.goto(PAGE)
    plain.get_by_label("PBX type").select_option("other")
    plain.get_by_role("button", name="Show").click()
    expect(plain.locator("#snippet-1")).to_contain_text("#!/bin/sh")
    client.get(f"/ingest/head-office?token={token}&event=dial-in&ext=101")
    plain.get_by_role("link", name="Check again").click()
    expect(plain.get_by_role("heading", name="Head office is connected")).to_be_visible()


@pytest.mark.parametrize("slug", ["asterisk", "freeswitch"])
def test_long_lines_scroll_in_their_box(sign_in: People, pbx: Pbx, slug: str) -> None:
    """On a phone, lines of a dialplan do not wrap: the box scrolls sideways, and not the page."""
    page = sign_in.open(viewport=NARROW)
    page.goto(f"{PAGE}?type={slug}")
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    boxes = page.get_by_role("region", name=re.compile("^Snippet"))
    sizes = boxes.evaluate_all(
        """all => all.map(one => {
            const line = parseFloat(getComputedStyle(one).lineHeight);
            const whole = (one.textContent.split("\\n").length + 3) * line;
            return [one.scrollWidth > one.clientWidth, one.clientHeight < whole];
        })"""
    )
    assert [True, True] in sizes
    assert all(keeps_lines for _scrolls, keeps_lines in sizes)
    assert not scrolls_sideways(page)
    check_accessibility(page)


def test_the_token_comes_along_from_its_dialog(admin: Page, app: Flask) -> None:
    """The new PBX's dialog leads to snippets with its token, for each type that is chosen."""
    admin.goto("/pbxs")
    admin.locator('a[hx-get="/pbxs/new"]').first.click()
    dialog = admin.get_by_role("dialog")
    dialog.get_by_label("Name").fill("Head office")
    dialog.get_by_role("button", name="Add PBX").click()
    token = dialog.locator("#new-token").inner_text()
    check_accessibility(admin)
    dialog.get_by_role("button", name="Connect the PBX").click()
    expect(admin.locator("#new-token")).to_have_text(token)
    admin.get_by_label("PBX type").select_option("snom")
    expect(admin.locator("#snippet-1")).to_contain_text(f"token={token}")
    assert token not in admin.url
    check_accessibility(admin)
