"""The dialog's section 'Options' in a browser: what it shows, hides, adds, tests and reveals."""

import threading

import pytest
from playwright.sync_api import Locator, Page, expect

from callevents.db.models import Pbx
from callevents.delivery.request.load import read_template
from callevents.enums import BodyFormat, Method
from callevents.extensions import cipher
from tests.browser.conftest import NARROW, People, check_accessibility
from tests.browser.test_event_table import extension, row, stored_hooks
from tests.support.receiver import Receiver, Reply

__all__ = ["extension"]


def open_dialog(page: Page, path: str, event: str = "Hangup") -> Locator:
    """Open the dialog of the extension's request for the event, and its section."""
    page.goto(path)
    row(page, event).get_by_role("link", name=event, exact=True).click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Give up after")).to_be_hidden()
    dialog.get_by_text("Options", exact=True).click()
    expect(dialog.get_by_label("Give up after")).to_be_visible()
    return dialog


def test_fields_show_where_they_matter(admin: Page, extension: str) -> None:
    """The body format is shown for POST only, credentials only for their authentication."""
    dialog = open_dialog(admin, extension)
    expect(dialog.get_by_role("radio", name="JSON")).to_be_visible()
    dialog.get_by_label("GET", exact=True).check()
    expect(dialog.get_by_role("radio", name="JSON")).to_be_hidden()
    for kind, shown, hidden in (
        ("Basic", ("Username", "Password"), ("Token",)),
        ("Bearer", ("Token",), ("Username", "Password")),
    ):
        dialog.get_by_label(kind, exact=True).check()
        for label in shown:
            expect(dialog.get_by_label(label, exact=True)).to_be_visible()
        for label in hidden:
            expect(dialog.get_by_label(label, exact=True)).to_be_hidden()


def test_bodies_of_a_delete(admin: Page, extension: str, pbx: Pbx) -> None:
    """It has none, unless that is a template; another method has the chosen one again."""
    dialog = open_dialog(admin, extension)
    bodies, preview = dialog.locator("#choose-body_format"), dialog.locator("#preview-text")
    names = ("Form", "JSON", "None", "Template")

    def check_offered(*offered: str, checked: str) -> None:
        for name in names:
            expect(bodies.get_by_role("radio", name=name)).to_have_count(int(name in offered))
        expect(bodies.get_by_role("radio", name=checked)).to_be_checked()

    check_offered("Form", "JSON", "Template", checked="Form")
    bodies.get_by_role("radio", name="JSON").check()
    dialog.get_by_label("DELETE", exact=True).check()
    check_offered("None", "Template", checked="None")
    expect(preview).to_contain_text("EventType=hangup")
    dialog.get_by_label("PUT", exact=True).check()
    check_offered("Form", "JSON", "Template", checked="JSON")
    dialog.get_by_label("DELETE", exact=True).check()
    bodies.get_by_role("radio", name="Template").check()
    check_offered("None", "Template", checked="Template")
    bodies.get_by_role("radio", name="None").check()
    check_accessibility(admin)
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_be_hidden()
    [hook] = [one for one in stored_hooks(pbx) if one.method is Method.DELETE]
    assert hook.body_format is BodyFormat.FORM


def test_preview_shows_the_options_and_no_secret(admin: Page, extension: str) -> None:
    """The preview shows body, headers, authentication and signature, with masked secrets."""
    dialog = open_dialog(admin, extension)
    preview = dialog.locator("#preview-text")
    dialog.get_by_role("radio", name="JSON").check()
    expect(preview).to_contain_text('"EventType": "hangup"')
    dialog.get_by_label("Name of header 1").fill("X-Key")
    dialog.get_by_label("Value of header 1").fill("k3y")
    expect(preview).to_contain_text("X-Key: ••••")
    dialog.get_by_label("Bearer", exact=True).check()
    dialog.get_by_label("Token", exact=True).fill("s3cret")
    expect(preview).to_contain_text("Authorization: Bearer ••••")
    dialog.get_by_label("Signed", exact=True).check()
    expect(preview).to_contain_text("webhook-signature: v1,")
    expect(preview).not_to_contain_text("k3y")
    expect(preview).not_to_contain_text("s3cret")
    dialog.get_by_label("Make request to").fill("https://crm.example.com/of/{CallerIDNum}")
    expect(preview).to_contain_text("POST /of/%2B40%20721%20000%20001 HTTP/1.1")


def test_headers_are_added_and_secrets_kept(admin: Page, extension: str, pbx: Pbx) -> None:
    """A button adds rows; stored values are not shown, and empty fields keep them."""
    dialog = open_dialog(admin, extension)
    dialog.get_by_role("button", name="Add header").click()
    expect(dialog.get_by_label("Name of header 3")).to_be_focused()
    for number in (1, 2, 3):
        dialog.get_by_label(f"Name of header {number}").fill(f"X-{number}")
        dialog.get_by_label(f"Value of header {number}").fill(f"value {number}")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_be_hidden()
    row(admin, "Hangup").get_by_role("link", name="Hangup", exact=True).click()
    expect(dialog.get_by_label("Value of header 1")).to_have_value("")
    expect(dialog.get_by_label("Value of header 1")).to_have_attribute(
        "placeholder", "•••• unchanged"
    )
    expect(dialog.get_by_label("Name of header 5")).to_be_visible()
    dialog.get_by_label("Name of header 2").fill("")
    dialog.get_by_label("Value of header 3").fill("changed")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_be_hidden()
    [hook] = [one for one in stored_hooks(pbx) if one.custom_headers]
    assert read_template(hook, cipher.bound).custom_headers == [
        ("X-1", "value 1"),
        ("X-3", "changed"),
    ]


def test_invalid_header_is_flagged(admin: Page, extension: str) -> None:
    """The error is below its row, which gets the focus; typed values stay."""
    dialog = open_dialog(admin, extension)
    dialog.get_by_label("Name of header 2").fill("Content-Length")
    dialog.get_by_label("Value of header 2").fill("1")
    dialog.get_by_role("button", name="Save").click()
    name = dialog.get_by_label("Name of header 2")
    expect(name).to_have_attribute("aria-invalid", "true")
    expect(name).to_be_focused()
    expect(name).to_have_accessible_description(
        "The header Content-Length cannot be set here: it is derived from the body."
    )
    expect(dialog.get_by_label("Value of header 2")).to_have_value("1")
    check_accessibility(admin)


def test_test_is_sent_and_shown(admin: Page, extension: str, receiver: Receiver, pbx: Pbx) -> None:
    """The button shows progress, the response scrolls into view, and nothing is saved."""
    go_on = threading.Event()
    receiver.reply = lambda _arrival: Reply(
        status=418, body=b"<i>tea</i>", hold=lambda: go_on.wait(30) and None
    )
    dialog = open_dialog(admin, extension)
    dialog.get_by_label("Make request to").fill(receiver.url + "/x")
    button = dialog.get_by_role("button", name="Send test")
    before = button.bounding_box()
    button.click()
    expect(dialog.get_by_text("Sending …")).to_be_visible()
    expect(dialog.locator("#send-test")).to_be_disabled()
    assert dialog.locator("#send-test").bounding_box() == before
    go_on.set()
    result = dialog.locator("#test-result")
    expect(result).to_contain_text("418")
    expect(result).to_contain_text("<i>tea</i>")
    expect(result.locator("pre")).to_be_in_viewport()
    expect(dialog.get_by_text("Sending …")).to_be_hidden()
    [arrival] = receiver.arrivals
    assert arrival.parameters["Test"] == "1"
    assert receiver.url not in {hook.url for hook in stored_hooks(pbx)}
    check_accessibility(admin)


def test_enter_saves_and_does_not_test(
    admin: Page, extension: str, receiver: Receiver, pbx: Pbx
) -> None:
    """The Enter key in a field presses Save."""
    dialog = open_dialog(admin, extension)
    dialog.get_by_label("Make request to").fill(receiver.url + "/x")
    dialog.get_by_label("Name of header 1").press("Enter")
    expect(dialog).to_be_hidden()
    assert receiver.url + "/x" in {hook.url for hook in stored_hooks(pbx)}
    assert receiver.arrivals == []


def test_signing_secret_is_revealed_once(admin: Page, extension: str, pbx: Pbx) -> None:
    """Saving with a signature shows the secret, which can be copied; then it is gone."""
    dialog = open_dialog(admin, extension)
    dialog.get_by_label("Signed", exact=True).check()
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_role("heading")).to_have_text("Signing secret")
    shown = dialog.locator("#new-secret").inner_text()
    [hook] = [one for one in stored_hooks(pbx) if one.signing_secret]
    assert cipher.bound.decrypt(hook.signing_secret) == shown
    expect(dialog.get_by_role("button", name="Copy secret")).to_be_visible()
    check_accessibility(admin)
    dialog.get_by_role("button", name="Done").click()
    expect(dialog).to_be_hidden()
    row(admin, "Hangup").get_by_role("link", name="Hangup", exact=True).click()
    expect(dialog.get_by_label("New secret")).to_be_visible()
    expect(dialog).not_to_contain_text(shown)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_narrow_screens(sign_in: People, extension: str, scheme: str) -> None:
    """At 390 pixels nothing scrolls sideways, and axe finds nothing, in both themes."""
    page = sign_in.open("admin", viewport=NARROW, color_scheme=scheme)
    dialog = open_dialog(page, extension)
    dialog.get_by_label("Basic", exact=True).check()
    dialog.get_by_text("Placeholders and value maps", exact=True).click()
    width = "document.documentElement.scrollWidth <= innerWidth"
    assert page.evaluate(width)
    assert dialog.evaluate("element => element.scrollWidth <= element.clientWidth")
    check_accessibility(page)


def test_all_of_it_without_javascript(
    plain: Page, extension: str, receiver: Receiver, pbx: Pbx
) -> None:
    """The section, the test and the secret are plain forms and pages."""
    plain.goto(extension)
    row(plain, "Hangup").get_by_role("link", name="Hangup", exact=True).click()
    plain.get_by_text("Options", exact=True).click()
    plain.get_by_label("Make request to").fill(receiver.url + "/x")
    plain.get_by_label("Name of header 1").fill("X-Key")
    plain.get_by_label("Value of header 1").fill("k3y")
    plain.get_by_label("Signed", exact=True).check()
    plain.get_by_role("button", name="Send test").click()
    expect(plain.locator("#test-result")).to_contain_text("200")
    expect(plain.locator("#test-result")).to_be_in_viewport()
    assert receiver.arrivals[0].headers["X-Key"] == "k3y"
    expect(plain.get_by_label("Value of header 1")).to_have_value("k3y")
    plain.get_by_role("button", name="Save").click()
    expect(plain.locator("#new-secret")).to_contain_text("whsec_")
    plain.get_by_role("link", name="Done").click()
    row(plain, "Hangup").get_by_role("link", name="Hangup", exact=True).click()
    expect(plain.get_by_label("New secret")).to_be_visible()
    assert len([one for one in stored_hooks(pbx) if one.custom_headers]) == 1
