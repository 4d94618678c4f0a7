"""The log in the browser: filtered, live, sent again and cancelled; with JavaScript and without."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect
from sqlalchemy import select

from callevents.db.models import Delivery, Pbx
from callevents.db.session import begin_write
from callevents.enums import DeliveryState, EventType
from callevents.extensions import db
from callevents.ingest.accept import accept
from callevents.ingest.report import Report
from tests.browser.conftest import check_accessibility
from tests.conftest import Configure

LOG = "/pbxs/head-office/deliveries"


@pytest.fixture
def hook_id(pbx: Pbx, configure: Configure) -> str:
    """The Event ID of a hook with three failed deliveries and a pending one, of separate calls."""
    hook = configure.hook("*", EventType.DIAL_IN, "https://crm.example.com/pop")
    for number in ("101", "102", "103", "104"):
        report(pbx, number)
    begin_write()
    for delivery in db.session.scalars(select(Delivery).where(Delivery.extension != "104")):
        delivery.state, delivery.attempts, delivery.status_code = DeliveryState.FAILED, 3, 500
        delivery.error = "The receiver returned 500."
    db.session.commit()
    return hook.event_id


def report(pbx: Pbx, number: str) -> None:
    """Report an event of that extension."""
    begin_write()
    event = Report(event_type=EventType.DIAL_IN, extension=number, call_id=f"call {number}")
    accept(pbx, [event])
    db.session.commit()


def row(page: Page, number: str) -> Locator:
    """Return the row of the delivery to that extension."""
    return page.get_by_role("row").filter(has=page.get_by_role("cell", name=number, exact=True))


def test_filter_and_watch(admin: Page, pbx: Pbx, hook_id: str) -> None:
    """A choice filters at once, stays in the URL, and keeps the focus during updates."""
    admin.goto(LOG)
    state = admin.get_by_label("State")
    state.focus()
    state.select_option("Pending")
    expect(row(admin, "104")).to_be_visible()
    expect(row(admin, "101")).to_have_count(0)
    expect(admin).to_have_url(re.compile(r"/deliveries\?state=pending$"))
    expect(state).to_be_focused()
    link = row(admin, "104").get_by_role("link")
    link.focus()
    report(pbx, "105")
    expect(row(admin, "105")).to_be_visible()
    expect(link).to_be_focused()
    admin.reload()
    expect(state).to_have_value("pending")
    expect(row(admin, "101")).to_have_count(0)
    admin.get_by_role("searchbox").fill("call 102")
    admin.get_by_role("searchbox").press("Enter")
    expect(row(admin, "102")).to_be_visible()
    expect(admin).to_have_url(re.compile(r"\?call=call"))


def test_invalid_field_is_flagged(admin: Page, hook_id: str) -> None:
    """The error appears at the field while typing, and disappears when the value is valid."""
    admin.goto(LOG)
    admin.get_by_text("More filters").click()
    receiver = admin.get_by_label("Receiver")
    receiver.fill("crm")
    receiver.press("Enter")
    expect(receiver).to_have_accessible_description(re.compile("'crm' is not an origin"))
    expect(receiver).to_have_attribute("aria-invalid", "true")
    expect(receiver).to_be_focused()
    expect(row(admin, "101")).to_have_count(0)
    check_accessibility(admin)
    receiver.fill("https://crm.example.com")
    receiver.press("Enter")
    expect(row(admin, "101")).to_be_visible()
    expect(receiver).not_to_have_attribute("aria-invalid", "true")
    expect(admin.locator(".problem")).to_have_count(0)
    expect(receiver).to_have_value("https://crm.example.com")


def test_send_again_and_cancel(admin: Page, hook_id: str) -> None:
    """One by its button, all by a dialog that counts them, and back by cancelling pending ones."""
    admin.goto(f"{LOG}?state=failed")
    row(admin, "101").get_by_role("button", name="Send again").click()
    expect(admin.get_by_text("The delivery is sent again.")).to_be_visible()
    expect(row(admin, "101")).to_have_count(0)
    admin.get_by_role("link", name="Send all again").click()
    dialog = admin.get_by_role("dialog")
    expect(dialog).to_contain_text("2 failed")
    check_accessibility(admin)
    dialog.get_by_role("button", name="Send 2 deliveries again").click()
    expect(dialog).to_be_hidden()
    expect(admin.get_by_text("2 deliveries are sent again.")).to_be_visible()
    expect(admin.get_by_role("heading", name="No deliveries match")).to_be_visible()
    admin.goto(f"{LOG}?state=pending")
    admin.get_by_role("link", name="Cancel all pending").click()
    dialog.get_by_role("button", name="Cancel 4 deliveries").click()
    expect(admin.get_by_role("heading", name="No deliveries match")).to_be_visible()
    admin.goto(LOG)
    row(admin, "102").get_by_role("link").click()
    expect(admin.get_by_role("heading", level=1)).to_contain_text("Dial-In")
    main = admin.get_by_role("main")
    main.get_by_role("button", name="Send again").click()
    expect(main.get_by_role("button", name="Try now")).to_be_visible()
    main.get_by_role("button", name="Cancel").click()
    expect(main.locator(".state")).to_contain_text("cancelled")


def test_without_javascript(plain: Page, hook_id: str) -> None:
    """Filter, recover, send again and open the call, by plain forms and links."""
    plain.goto(LOG)
    plain.get_by_label("State").select_option("Failed")
    plain.get_by_role("button", name="Filter").click()
    expect(row(plain, "104")).to_have_count(0)
    row(plain, "103").get_by_role("button", name="Send again").click()
    expect(plain.get_by_text("The delivery is sent again.")).to_be_visible()
    expect(plain.get_by_label("State")).to_have_value("failed")
    expect(row(plain, "103")).to_have_count(0)
    row(plain, "102").get_by_role("link").click()
    plain.get_by_role("link", name="Recover failed deliveries").click()
    plain.get_by_label("last hour").check()
    plain.get_by_role("button", name="Count deliveries").click()
    plain.get_by_role("button", name="Send 2 deliveries again").click()
    expect(plain.get_by_text("2 deliveries are sent again.")).to_be_visible()
    plain.goto(LOG)
    row(plain, "102").get_by_role("link").click()
    plain.get_by_role("link", name="call 102").click()
    expect(plain.get_by_role("heading", level=1)).to_contain_text("call 102")
    expect(plain.get_by_role("main")).to_contain_text("Dial-In of 102")
    expect(plain.get_by_role("main")).to_contain_text("crm.example.com/pop")
