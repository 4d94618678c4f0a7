"""The delivery log in the browser: live, and escaped."""

from flask.testing import FlaskClient
from playwright.sync_api import Page, expect

from callevents.delivery.engine import Engine
from callevents.enums import EventType
from tests.conftest import Configure
from tests.support.receiver import Receiver, Reply


def test_new_deliveries_appear_automatically(
    admin: Page,
    client: FlaskClient,
    token: str,
    configure: Configure,
    receiver: Receiver,
    working: Engine,
) -> None:
    """A delivery shows up while the page is open, and its page has request and response."""
    configure.hook("*", EventType.DIAL_IN, receiver.url + "/pop")
    receiver.reply = lambda _arrival: Reply(500, body=b"<script>alert(1)</script>")
    admin.goto("/pbxs/head-office/deliveries")
    client.get(f"/ingest/head-office?token={token}&event=dial-in&ext=101&call=c1")
    line = admin.get_by_role("row").filter(has_text="101")
    expect(line).to_contain_text("retrying")
    expect(line).to_contain_text("500")
    line.get_by_role("link").first.click()
    expect(admin.get_by_role("heading", level=1)).to_contain_text("Dial-In")
    main = admin.get_by_role("main")
    expect(main).to_contain_text("The receiver returned 500")
    expect(main).to_contain_text("/pop?CallID=c1")
    expect(main).to_contain_text("<script>alert(1)</script>")


def test_last_delivery_leads_to_its_page(
    admin: Page,
    client: FlaskClient,
    token: str,
    configure: Configure,
    receiver: Receiver,
    working: Engine,
) -> None:
    """The table shows the last delivery and links to it."""
    configure.hook("*", EventType.DIAL_IN, receiver.url + "/pop")
    client.get(f"/ingest/head-office?token={token}&event=dial-in&ext=101&call=c1")
    receiver.wait_for(1)
    admin.goto("/pbxs/head-office/deliveries")
    expect(admin.get_by_role("row").filter(has_text="101")).to_contain_text("delivered")
    admin.goto("/pbxs/head-office/extensions/all")
    admin.get_by_role("row").filter(has_text="Dial-In").get_by_role("link", name="200").click()
    expect(admin.get_by_role("main")).to_contain_text("Attempt 1")
