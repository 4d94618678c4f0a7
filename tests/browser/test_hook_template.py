"""A request with a template and conditions, in a browser."""

import json

import pytest
from playwright.sync_api import Page, expect

from callevents.db.models import Pbx
from callevents.enums import BodyFormat, HookScope, Method
from callevents.hooks.options import read_options
from tests.browser.conftest import NARROW, People, check_accessibility
from tests.browser.test_event_table import extension, row, stored_hooks
from tests.browser.test_hook_options import open_dialog
from tests.support.receiver import Receiver

__all__ = ["extension"]

TEMPLATE = '{\n  "from": "{CallerIDNum}",\n  "way": "{CallFlow|map:direction}"\n}'


def test_a_template_is_written_previewed_tested_and_kept(
    admin: Page, extension: str, receiver: Receiver, pbx: Pbx
) -> None:
    """The preview fills the template while it is typed; the test sends it; it is shown again."""
    dialog = open_dialog(admin, extension)
    expect(dialog.get_by_role("textbox", name="Template")).to_have_count(0)
    dialog.get_by_label("Make request to").fill(receiver.url + "/calls")
    dialog.get_by_label("PUT", exact=True).check()
    dialog.get_by_role("radio", name="Template").check()
    dialog.get_by_role("textbox", name="Template").fill(TEMPLATE)
    dialog.get_by_text("Placeholders and value maps", exact=True).click()
    dialog.get_by_label("Value maps").fill("direction: IN = inbound\ndirection: OUT = outbound")
    preview = dialog.locator("#preview-text")
    expect(preview).to_contain_text("PUT /calls HTTP/1.1")
    expect(preview).to_contain_text('"way": "inbound"')
    dialog.get_by_role("button", name="Send test").click()
    [arrival] = receiver.wait_for(1)
    assert json.loads(arrival.body)["way"] == "inbound"
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_be_hidden()
    [hook] = [one for one in stored_hooks(pbx) if one.url.startswith(receiver.url)]
    assert (hook.method, hook.body_format) == (Method.PUT, BodyFormat.TEMPLATE)
    row(admin, "Hangup").get_by_role("link", name="Hangup", exact=True).click()
    expect(dialog.get_by_role("textbox", name="Template")).to_have_value(TEMPLATE)


def test_conditions_are_chosen_and_kept(admin: Page, extension: str, pbx: Pbx) -> None:
    """Missed external calls out of hours, once per call."""
    dialog = open_dialog(admin, extension)
    expect(dialog.get_by_text("A call is reported once")).to_be_hidden()
    dialog.get_by_label("Once per call").check()
    expect(dialog.get_by_text("A call is reported once")).to_be_visible()
    dialog.get_by_text("Only if …", exact=True).click()
    for label in ("Incoming", "External", "Not answered", "Mon", "Fri", "Outside them"):
        dialog.get_by_label(label, exact=True).check()
    dialog.get_by_label("From", exact=True).fill("09:00")
    dialog.get_by_label("Until", exact=True).fill("17:30")
    dialog.get_by_label("Time zone").fill("Europe/Bucharest")
    dialog.get_by_label("Numbers of the other party").fill("+40*\n+373*")
    check_accessibility(admin)
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_be_hidden()
    [hook] = [one for one in stored_hooks(pbx) if one.conditions]
    options = read_options(hook)
    assert options.scope is HookScope.CALL
    assert options.conditions.answered is False
    assert options.conditions.numbers == ("+40*", "+373*")
    assert options.conditions.hours
    assert (options.conditions.hours.days, options.conditions.hours.is_outside) == ((1, 5), True)
    row(admin, "Hangup").get_by_role("link", name="Hangup", exact=True).click()
    expect(dialog.get_by_label("Not answered")).to_be_checked()
    expect(dialog.get_by_label("Until", exact=True)).to_have_value("17:30")


def test_an_error_in_a_closed_section_is_seen(admin: Page, extension: str, pbx: Pbx) -> None:
    """The sections open, and the field with the error has the focus."""
    dialog = open_dialog(admin, extension)
    dialog.get_by_text("Only if …", exact=True).click()
    dialog.get_by_label("Numbers of the other party").fill("abc")
    dialog.get_by_text("Only if …", exact=True).click()
    dialog.get_by_role("button", name="Save").click()
    numbers = dialog.get_by_label("Numbers of the other party")
    expect(numbers).to_be_focused()
    expect(numbers).to_have_attribute("aria-invalid", "true")
    expect(numbers).to_have_value("abc")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_narrow_screens(sign_in: People, extension: str, scheme: str) -> None:
    """At 390 pixels nothing scrolls sideways, and axe finds nothing, in both themes."""
    page = sign_in.open("admin", viewport=NARROW, color_scheme=scheme)
    dialog = open_dialog(page, extension)
    dialog.get_by_text("Only if …", exact=True).click()
    dialog.get_by_role("radio", name="Template").check()
    dialog.get_by_label("Other scheme").check()
    dialog.get_by_text("Placeholders and value maps", exact=True).click()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert dialog.evaluate("element => element.scrollWidth <= element.clientWidth")
    check_accessibility(page)
