"""The page that connects a PBX, in a browser."""

import re

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Page, expect

from callevents.db.models import Pbx
from tests.browser.conftest import NARROW, People, check_accessibility, scrolls_sideways

PAGE = "/pbxs/head-office/connect"


def test_turns_green_by_itself(admin: Page, pbx: Pbx, token: str, client: FlaskClient) -> None:
    """The first event that comes is shown without a reload."""
    admin.goto(f"{PAGE}?make=kamailio")
    expect(admin.get_by_role("heading", name="Listening for the first event")).to_be_visible()
    client.get(f"/ingest/head-office?token={token}&event=dial-in&ext=101&peer=0612&call=c7")
    expect(admin.get_by_role("heading", name="Head office is heard")).to_be_visible()
    expect(admin.locator("#received").get_by_role("row").nth(1)).to_contain_text("Dial-In")
    check_accessibility(admin)


def test_choosing_a_make_and_its_format(admin: Page, pbx: Pbx) -> None:
    """Another make shows its lines at once; its format is one click, its token another."""
    admin.goto(PAGE)
    admin.get_by_label("Make").select_option("snom")
    expect(admin.locator("#lines-1")).to_contain_text("action_incoming_url")
    admin.locator("#choose-format").click()
    expect(admin.get_by_text("are read as: Phones' Action URLs")).to_be_visible()
    expect(admin.locator("#choose-format")).to_have_count(0)
    admin.locator("#fill-token").click()
    expect(admin.locator("#lines-1")).to_contain_text("token=cet_")
    check_accessibility(admin)


def test_without_javascript(plain: Page, pbx: Pbx, token: str, client: FlaskClient) -> None:
    """A button chooses the make, a link looks whether something has come."""
    plain.goto(PAGE)
    plain.get_by_label("Make").select_option("other")
    plain.get_by_role("button", name="Show").click()
    expect(plain.locator("#lines-1")).to_contain_text("#!/bin/sh")
    client.get(f"/ingest/head-office?token={token}&event=dial-in&ext=101")
    plain.get_by_role("link", name="Check again").click()
    expect(plain.get_by_role("heading", name="Head office is heard")).to_be_visible()


@pytest.mark.parametrize("make", ["asterisk", "freeswitch"])
def test_long_lines_scroll_in_their_box(sign_in: People, pbx: Pbx, make: str) -> None:
    """On a phone, lines of a dialplan stay lines: the box scrolls sideways, and not the page."""
    page = sign_in.open(viewport=NARROW)
    page.goto(f"{PAGE}?make={make}")
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    boxes = page.get_by_role("region", name=re.compile("lines$"))
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
