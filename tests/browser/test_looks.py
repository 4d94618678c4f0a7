"""How pages look where it can be measured: gaps, corners, and texts that can be read."""

import pytest
from playwright.sync_api import Locator, Page, expect

from callevents.db.models import Hook, Pbx, utc_now
from callevents.db.session import begin_write
from callevents.enums import EventType
from callevents.extensions import db
from callevents.receivers.connect import connect
from callevents.receivers.making import make_receiver
from callevents.receivers.receivers import create_receiver
from callevents.receivers.recipe_files import get_recipe
from tests.browser.conftest import NARROW, People
from tests.conftest import Configure

#: The contrast of an element's text, as in WCAG 2.
CONTRAST = """element => {
  const context = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const { color, backgroundColor, opacity } = getComputedStyle(element);
  const [text, ground] = [color, backgroundColor].map((one) => {
    context.fillStyle = one;
    context.fillRect(0, 0, 1, 1);
    const parts = [...context.getImageData(0, 0, 1, 1).data].slice(0, 3).map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
  });
  return opacity * (Math.max(text, ground) + 0.05) / (Math.min(text, ground) + 0.05);
}"""


@pytest.fixture
def slack(pbx: Pbx, configure: Configure) -> None:
    """A receiver, and its suspended request for all extensions."""
    configure.extension("101")
    begin_write()
    values = {"url": "https://hooks.slack.com/services/T0/B0/x", "zone": "UTC"}
    connect(create_receiver(make_receiver(get_recipe("slack"), values, "Slack")), pbx, None)
    for hook in db.session.query(Hook):
        hook.suspended_at, hook.suspended_reason = utc_now(), "The receiver returned 410 Gone."
    db.session.commit()


def open_request(page: Page) -> Locator:
    """Open the dialog of the request."""
    page.goto("/pbxs/head-office/requests")
    page.get_by_role("link", name="Hangup").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    return dialog


def gap(above: Locator, below: Locator) -> float:
    """Return the pixels between two elements."""
    first, second = above.bounding_box(), below.bounding_box()
    assert first
    assert second
    return second["y"] - first["y"] - first["height"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_disabled_buttons_can_be_read(sign_in: People, slack: None, scheme: str) -> None:
    """The main button of a form, too."""
    page = sign_in.open("admin", color_scheme=scheme)
    page.goto("/receivers/slack/connect/head-office")
    button = page.get_by_role("button", name="Connect")
    expect(button).to_be_disabled()
    assert button.evaluate(CONTRAST) > 4.5


def test_the_dialog_of_a_request(admin: Page, slack: None) -> None:
    """Choices stay in their box, the notice has a gap, and the frame scrolls in round corners."""
    dialog = open_request(admin)
    for choices in dialog.locator(".more-body .segments").all():
        assert choices.evaluate("one => one.scrollWidth <= one.parentElement.clientWidth")
    assert gap(dialog.locator(".notice"), dialog.locator("#choose-method")) > 8
    assert dialog.evaluate("one => getComputedStyle(one).overflowY") == "clip"
    frame = dialog.locator(".dialog-frame")
    assert frame.evaluate("one => one.scrollHeight > one.clientHeight")
    radius = dialog.evaluate("one => parseFloat(getComputedStyle(one).borderRadius)")
    assert radius > 8


def test_a_replaced_dialog_stays_where_it_is_scrolled(
    sign_in: People, pbx: Pbx, configure: Configure
) -> None:
    """As for a preview: what the user has just filled in stays in view."""
    configure.hook("*", EventType.DIAL_IN, "https://crm.example.com/old")
    page = sign_in.open("admin", viewport={"width": 1280, "height": 420})
    page.goto("/pbxs/head-office/requests")
    page.locator("#tick-all").check()
    page.get_by_role("button", name="Replace in URL").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Find").fill("old")
    dialog.get_by_label("Replace with").fill("new")
    dialog.get_by_role("button", name="Preview").click()
    again = dialog.get_by_role("button", name="Preview again")
    expect(again).to_be_visible()
    frame = dialog.locator(".dialog-frame")
    frame.evaluate("one => { one.scrollTop = 40; }")
    assert frame.evaluate("one => one.scrollTop") == 40
    dialog.get_by_label("Replace with").fill("newer")
    again.click()
    expect(dialog.locator(".change ins")).to_contain_text("newer")
    assert frame.evaluate("one => one.scrollTop") == 40


def test_a_label_and_its_hint_are_one_text(sign_in: People, slack: None) -> None:
    """On a phone, the hint of the preview goes below its label."""
    dialog = open_request(sign_in.open("admin", viewport=NARROW))
    row = dialog.locator(".label-row", has_text="This is what will be sent")
    label, hint = row.locator(".label"), row.locator(".hint")
    assert gap(label, hint) >= 0


def test_what_follows_a_table_has_a_gap(admin: Page, slack: None) -> None:
    """The folded text about a recipe does not touch the table above it."""
    admin.goto("/receivers/slack")
    assert gap(admin.locator(".receiver-requests"), admin.locator("details.more")) > 16
