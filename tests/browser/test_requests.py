"""Changing many requests in a browser."""

import re
from collections.abc import Iterator, Sequence

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select, update

from callevents.db.models import BulkChange, Extension, Hook, Pbx, new_id, utc_now
from callevents.db.session import begin_write
from callevents.delivery.removal import UNDO_TIME
from callevents.enums import EventType
from callevents.extensions import db
from callevents.hooks.hooks import HookBatch, HookData
from tests.browser.conftest import NARROW, People, check_accessibility, scrolls_sideways

HOOKS = 60


@pytest.fixture
def sixty(pbx: Pbx) -> Iterator[None]:
    """60 requests at one host, and one at another."""
    begin_write()
    batch = HookBatch(pbx)
    for place in range(HOOKS // 2):
        extension = Extension(id=new_id(), pbx_id=pbx.id, number=str(100 + place), name="")
        db.session.add(extension)
        db.session.flush()
        for event in (EventType.DIAL_IN, EventType.HANGUP):
            url = f"https://crm-old.example.com/{event.slug}/{extension.number}"
            batch.add(extension, event, HookData(url), others=0)
    batch.add(None, EventType.HANGUP, HookData("https://other.example.com/"), others=0)
    db.session.commit()
    yield
    db.session.rollback()


def hosts() -> Sequence[str]:
    """Return the hosts of all requests."""
    db.session.rollback()
    return [url.split("/")[2] for url in db.session.scalars(select(Hook.url))]


class Clicks:
    """Counts the clicks of a user."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self.count = 0

    def __call__(self, selector: str) -> None:
        """Click on an element."""
        self._page.locator(selector).click()
        self.count += 1


def test_60_to_another_host_and_back(admin: Page, sixty: None) -> None:
    """Four clicks move them all, one brings them back."""
    admin.goto("/pbxs/head-office/requests?host=crm-old.example.com")
    expect(admin.locator("#request-count")).to_have_text("60 requests match")
    expect(admin.locator("#bulk-replace")).to_be_disabled()
    click = Clicks(admin)
    click("#tick-all")
    click("#bulk-replace")
    dialog = admin.get_by_role("dialog")
    expect(dialog.get_by_label("Find")).to_have_value("crm-old.example.com")
    dialog.get_by_label("Replace with").fill("crm.example.com")
    click("#preview-change")
    expect(dialog.get_by_text("60 of 60 change.")).to_be_visible()
    expect(dialog.locator("#examples")).to_contain_text("https://crm.example.com/hangup/100")
    check_accessibility(admin)
    click("#apply-change")
    expect(dialog).to_have_count(0)
    expect(admin.locator("#toasts")).to_contain_text("60 requests changed.")
    assert click.count == 4
    assert hosts().count("crm.example.com") == HOOKS
    admin.locator("#toasts").get_by_role("button", name="Undo").click()
    expect(admin.locator("#toasts")).to_contain_text("60 requests restored.")
    assert hosts().count("crm-old.example.com") == HOOKS
    check_accessibility(admin)


def test_filter_and_stale_preview(admin: Page, sixty: None) -> None:
    """The filter works as one types; a change in between is told, with a new preview."""
    admin.goto("/pbxs/head-office/requests")
    field = admin.get_by_role("textbox", name="Extension")
    field.fill("101")
    field.press("Enter")
    expect(admin.locator("#request-count")).to_have_text("2 requests match")
    expect(admin).to_have_url(re.compile(r"/pbxs/head-office/requests\?extension=101$"))
    admin.locator("#tick-all").check()
    admin.locator("#bulk-disable").click()
    dialog = admin.get_by_role("dialog")
    expect(dialog.get_by_text("2 of 2 change.")).to_be_visible()
    begin_write()
    hook = db.session.scalars(select(Hook).where(Hook.url.endswith("/hangup/101"))).one()
    hook.note = "changed"
    db.session.commit()
    admin.locator("#apply-change").click()
    expect(dialog.get_by_role("alert")).to_contain_text("changed since: Hangup of 101")
    admin.locator("#apply-change").click()
    expect(admin.locator("#toasts")).to_contain_text("2 requests disabled.")
    expect(admin.locator("#undoable")).to_contain_text("Requests disabled: 2 requests")
    # One icon works here as on the other pages.
    admin.locator(f"#toggle-{hook.event_id}").click()
    expect(admin.locator(f"#toggle-{hook.event_id}")).to_have_attribute("aria-pressed", "true")


def test_two_clicks_undo_one_change(admin: Page, sixty: None) -> None:
    """After an undo, no Undo of an earlier change is where the pointer is; a new page has it."""
    for number in ("100", "101"):
        admin.goto(f"/pbxs/head-office/requests?extension={number}")
        admin.locator("#tick-all").check()
        admin.locator("#bulk-disable").click()
        admin.locator("#apply-change").click()
        expect(admin.locator("#undoable")).to_contain_text(f"2 requests of {number}")
    check_accessibility(admin)
    with admin.expect_response(lambda answer: "requests?" in answer.url):
        admin.locator("#undoable").get_by_role("button", name="Undo").click()
    expect(admin.locator("#toasts")).to_contain_text("2 requests restored.")
    expect(admin.locator("#undoable")).to_have_count(0)
    field = admin.get_by_role("textbox", name="Extension")
    field.fill("100")
    field.press("Enter")
    admin.wait_for_url("**/pbxs/head-office/requests?extension=100")
    expect(admin.locator("#undoable")).to_have_count(0)
    admin.reload()
    expect(admin.locator("#undoable")).to_contain_text("2 requests of 100")
    admin.locator("#hide-undoable").click()
    expect(admin.locator("#undoable")).to_have_count(0)
    expect(admin.locator("#requests")).to_be_visible()


def test_clearing_can_be_undone_for_30_seconds(admin: Page, sixty: None) -> None:
    """The message is there as long as the dialog says, and so is the notice."""
    admin.clock.install()
    admin.goto("/pbxs/head-office/requests?extension=100")
    admin.locator("#tick-all").check()
    admin.locator("#bulk-clear").click()
    dialog = admin.get_by_role("dialog")
    expect(dialog).to_contain_text("You can undo this for 30 seconds.")
    admin.locator("#apply-change").click()
    toast = admin.locator("#toasts").get_by_text("2 requests cleared.")
    expect(toast).to_be_visible()
    expect(admin.locator("#undoable")).to_contain_text("Requests cleared: 2 requests of 100")
    admin.mouse.move(0, 0)
    admin.clock.fast_forward(20_000)
    expect(toast).to_be_visible()
    begin_write()
    db.session.execute(update(BulkChange).values(made_at=utc_now() - UNDO_TIME))
    db.session.commit()
    admin.clock.fast_forward(20_000)
    expect(toast).to_have_count(0)
    expect(admin.locator("#undoable")).to_have_count(0)


def test_configures_for_selected(admin: Page, sixty: None) -> None:
    """The dialog opens once for all selected extensions."""
    admin.goto("/pbxs/head-office/extensions")
    for number in ("100", "101"):
        admin.get_by_label(f"Select {number}", exact=True).check()
    admin.locator("#configure-selected").click()
    admin.locator("#configure-answer-in").click()
    dialog = admin.get_by_role("dialog")
    expect(dialog.locator("#dialog-title")).to_contain_text("of 2 extensions")
    dialog.get_by_label("Make request to").fill("https://pop.example.com/")
    expect(dialog.locator("#preview-text")).to_contain_text("GET /?")
    check_accessibility(admin)
    dialog.get_by_role("button", name="Save").click()
    expect(admin.locator("#toasts")).to_contain_text("2 requests created.")
    assert hosts().count("pop.example.com") == 2


def test_narrow_and_without_javascript(plain: Page, sign_in: People, sixty: None) -> None:
    """The page fits a phone; without JavaScript each step is a page."""
    phone = sign_in.open("admin", viewport=NARROW)
    for path in ("/pbxs/head-office/requests", "/requests", "/pbxs/head-office/extensions"):
        phone.goto(path)
        assert not scrolls_sideways(phone), path
    plain.goto("/pbxs/head-office/requests?extension=101")
    for box in plain.locator("input[name=event_id]").all():
        box.check()
    plain.locator("#bulk-replace").click()
    plain.get_by_label("Replace with").fill("crm.example.com")
    plain.locator("#preview-change").click()
    expect(plain.get_by_text("2 of 2 change.")).to_be_visible()
    plain.locator("#apply-change").click()
    expect(plain.get_by_text("2 requests changed.")).to_be_visible()
    assert hosts().count("crm.example.com") == 2
    plain.get_by_role("button", name="Undo").first.click()
    expect(plain.get_by_text("2 requests restored.")).to_be_visible()
    assert hosts().count("crm-old.example.com") == HOOKS
