"""Connecting many extensions to a receiver: narrowing the list, and ticking what is shown."""

import pytest
from playwright.sync_api import Page, expect

from callevents.db.models import Hook, Pbx
from callevents.db.session import begin_write
from callevents.extensions import db
from callevents.pbxs.extensions import list_extensions
from callevents.pbxs.groups import GroupData, add_group
from callevents.receivers.making import make_receiver
from callevents.receivers.receivers import create_receiver
from callevents.receivers.recipe_files import get_recipe
from tests.browser.conftest import NARROW, People, check_accessibility, scrolls_sideways
from tests.conftest import Configure

PAGE = "/receivers/zammad/connect/head-office"
SALES = [str(number) for number in range(160, 180)]


@pytest.fixture
def zammad(pbx: Pbx, configure: Configure) -> None:
    """A receiver, and eighty extensions; twenty are in a group."""
    for number in range(101, 181):
        configure.extension(str(number), f"Person {number}")
    begin_write()
    values = {"address": "https://help.example.com", "token": "t"}
    create_receiver(make_receiver(get_recipe("zammad"), values, "Zammad"))
    chosen = [one for one in list_extensions(pbx) if one.number in SALES]
    add_group(pbx, GroupData("Sales", chosen=chosen))
    db.session.commit()


def connected_numbers() -> list[str]:
    """Return the extensions that have requests."""
    db.session.rollback()
    return sorted({hook.extension.number for hook in db.session.query(Hook) if hook.extension})


def test_a_group_is_ticked(admin: Page, zammad: None) -> None:
    """Only its members are shown, ticked at once, and counted; then they are connected."""
    admin.goto(PAGE)
    expect(admin.locator("#ticked")).to_have_text("0 of 80 ticked")
    admin.get_by_label("Group").select_option(label="Sales")
    expect(admin.get_by_label("Person 101")).to_be_hidden()
    admin.get_by_label("Tick all 20 shown").check()
    expect(admin.locator("#ticked")).to_have_text("20 of 80 ticked")
    admin.get_by_label("Group").select_option(label="All groups")
    expect(admin.get_by_label("Person 101")).not_to_be_checked()
    expect(admin.get_by_label("Person 160")).to_be_checked()
    check_accessibility(admin)
    admin.get_by_role("button", name="Connect").click()
    expect(admin.get_by_role("link", name="100 requests")).to_be_visible()
    assert connected_numbers() == SALES


def test_filter_by_keyboard(admin: Page, zammad: None) -> None:
    """A range, a name; the Enter key does not send the form; what is hidden stays ticked."""
    admin.goto(PAGE)
    field = admin.get_by_label("Filter extensions")
    shown = admin.locator("#extension-ticks li:visible")
    field.focus()
    admin.keyboard.type("101-104")
    admin.keyboard.press("Enter")
    expect(shown).to_have_count(4)
    admin.locator("#tick-all").focus()
    admin.keyboard.press("Space")
    field.fill("person 12")
    expect(shown).to_have_count(10)
    expect(admin.locator("#tick-all")).not_to_be_checked()
    expect(admin.locator("#ticked")).to_have_text("4 of 80 ticked, 4 of them not shown")
    field.fill("nobody")
    expect(admin.locator("#tick-all")).to_be_disabled()
    expect(admin.get_by_role("button", name="Connect")).to_be_enabled()
    assert connected_numbers() == []


def test_without_javascript(plain: Page, zammad: None) -> None:
    """No filter, and the list works."""
    plain.goto(PAGE)
    expect(plain.get_by_label("Filter extensions")).to_be_hidden()
    plain.get_by_label("Person 103").check()
    plain.get_by_role("button", name="Connect").click()
    expect(plain.get_by_role("link", name="5 requests")).to_be_visible()
    assert connected_numbers() == ["103"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_narrow_screens(sign_in: People, zammad: None, scheme: str) -> None:
    """At 390 pixels, nothing scrolls sideways, and axe finds nothing; the list has a shadow."""
    page = sign_in.open("admin", viewport=NARROW, color_scheme=scheme)
    page.goto(PAGE)
    assert not scrolls_sideways(page)
    check_accessibility(page)
    ticks = page.locator("#extension-ticks")
    assert ticks.evaluate("list => list.scrollHeight > list.clientHeight")
    assert ticks.evaluate("list => getComputedStyle(list).backgroundAttachment").count("local") == 2
    # A name and its explanation are one line of text, not two columns.
    label = page.locator("label[for=all]")
    assert label.evaluate("label => getComputedStyle(label).display") != "flex"


def test_a_missing_country_is_said(admin: Page, zammad: None) -> None:
    """Its number plan opens from there; once a country is stored, nothing is said."""
    admin.goto(PAGE)
    admin.get_by_label("Person 103").check()
    admin.get_by_role("link", name="Set the country").click()
    dialog = admin.get_by_role("dialog")
    dialog.get_by_label("Country").fill("RO")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_be_hidden()
    expect(admin.locator("#no-country .notice")).to_have_count(0)
    expect(admin.get_by_label("Person 103")).to_be_checked()
