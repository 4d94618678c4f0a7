"""From no receiver to forty connected extensions, in a browser."""

from contextlib import closing

import pytest
from playwright.sync_api import Page, expect

from callevents.db.models import Hook, Pbx
from callevents.extensions import db
from tests.browser.conftest import NARROW, People, check_accessibility, scrolls_sideways
from tests.conftest import Configure
from tests.recipes.simulated.base import listen
from tests.recipes.simulated.zammad import TOKEN, Zammad


def test_zammad_from_the_empty_state(admin: Page, pbx: Pbx, configure: Configure) -> None:
    """Address, token, forty ticks, and a test that the receiver accepts."""
    for number in range(101, 141):
        configure.extension(str(number))
    simulated = Zammad()
    with closing(listen(simulated)) as socket:
        admin.get_by_role("link", name="Receivers").click()
        admin.get_by_role("link", name="Zammad").click()
        admin.get_by_label("Address of Zammad").fill(socket.url)
        admin.get_by_label("CTI token").fill(TOKEN)
        check_accessibility(admin)
        admin.get_by_role("button", name="Add Zammad").click()
        expect(admin.get_by_role("button", name="Connect")).to_be_disabled()
        admin.get_by_label("Tick all 40").check()
        check_accessibility(admin)
        admin.get_by_role("button", name="Connect").click()
        expect(admin.get_by_role("heading", name="Zammad", exact=True)).to_be_visible()
        expect(admin.get_by_role("link", name="200 requests")).to_be_visible()
        admin.get_by_role("link", name="Send test").click()
        dialog = admin.get_by_role("dialog")
        dialog.get_by_role("button", name="Send test").click()
        expect(dialog.locator(".state-delivered")).to_be_visible()
        check_accessibility(admin)
    assert simulated.refused == []
    db.session.rollback()
    assert db.session.query(Hook).count() == 200


@pytest.mark.parametrize("path", ["", "/new", "/new/zammad", "/new-address"])
def test_pages_are_narrow(sign_in: People, path: str) -> None:
    """No page scrolls sideways on a phone."""
    page = sign_in.open("admin", viewport=NARROW, color_scheme="dark")
    page.goto(f"/receivers{path}")
    assert not scrolls_sideways(page)
    check_accessibility(page)
