"""Passkeys in Chromium, with its virtual authenticator, and the pages of the second factor."""

import pyotp
import pytest
import requests
from playwright.sync_api import CDPSession, ConsoleMessage, Page, Request, expect
from sqlalchemy import update

from callevents.db.models import Passkey
from callevents.db.session import begin_write
from callevents.extensions import db
from tests.browser.conftest import NARROW, PASSWORD, People, check_accessibility, scrolls_sideways


@pytest.fixture
def address(site: str) -> str:
    """The site's address by name: IP addresses have no passkeys."""
    return site.replace("127.0.0.1", "localhost")


class Device:
    """A virtual authenticator with a fingerprint sensor."""

    def __init__(self, page: Page) -> None:
        self._session: CDPSession = page.context.new_cdp_session(page)
        self._session.send("WebAuthn.enable")
        options = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
        }
        made = self._session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
        self._id = made["authenticatorId"]

    def set_verified(self, is_verified: bool) -> None:
        """Accept the finger from now on, or not."""
        values = {"authenticatorId": self._id, "isUserVerified": is_verified}
        self._session.send("WebAuthn.setUserVerified", values)


@pytest.fixture
def page(sign_in: People, address: str) -> Page:
    """The browser of an admin at the address by name."""
    return sign_in.open(base_url=address)


@pytest.fixture
def device(page: Page) -> Device:
    """The authenticator of that browser."""
    return Device(page)


def add_passkey(page: Page, name: str = "Laptop") -> None:
    """Add a passkey on the account page."""
    page.goto("/account")
    page.get_by_role("link", name="Add a passkey").click()
    page.get_by_label("Name").fill(name)
    page.get_by_label("Current password").fill(PASSWORD)
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Create the passkey").click()


def keep_codes(page: Page) -> None:
    """Go on from the recovery codes to the account page."""
    page.get_by_role("link", name="I have kept the codes").click()
    expect(page.get_by_role("heading", name="Account", exact=True)).to_be_visible()


def sign_out(page: Page) -> None:
    """Sign out by the menu."""
    page.locator("#account-menu").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_sign_in_without_a_password(page: Page, device: Device) -> None:
    """A passkey is added, signs in without a password, shows its last use, and is removed."""
    add_passkey(page)
    expect(page.get_by_text("The passkey is added.")).to_be_visible()
    expect(page.locator(".recovery-codes li")).to_have_count(10)
    keep_codes(page)
    row = page.get_by_role("table", name="Passkeys").locator("tbody tr")
    expect(row).to_contain_text("never")
    sign_out(page)
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url(lambda url: "/sign-in" not in url)
    page.goto("/account")
    expect(row).not_to_contain_text("never")
    row.get_by_role("link", name="Remove").click()
    page.get_by_label("Current password").fill(PASSWORD)
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_text("The passkey Laptop is removed.")).to_be_visible()
    sign_out(page)
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.locator(".problem:visible")).to_contain_text("passkey")
    page.goto("/pbxs")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_passkey_after_the_password(page: Page, device: Device) -> None:
    """With a passkey the password alone is not enough; the passkey completes it."""
    add_passkey(page)
    keep_codes(page)
    sign_out(page)
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", name="Second factor")).to_be_visible()
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url(lambda url: "/sign-in" not in url)


def test_finger_is_not_accepted(page: Page, device: Device) -> None:
    """Without verification of the user the browser makes no passkey and uses none."""
    device.set_verified(False)
    add_passkey(page)
    expect(page.get_by_text("No passkey was used. Try again.")).to_be_visible()
    device.set_verified(True)
    page.get_by_role("button", name="Create the passkey").click()
    expect(page.get_by_text("The passkey is added.")).to_be_visible()
    keep_codes(page)
    sign_out(page)
    device.set_verified(False)
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_text("No passkey was used. Try again.")).to_be_visible()


def test_recorded_answer_is_refused(page: Page, device: Device, address: str) -> None:
    """Somebody who recorded the request and the cookies cannot sign in with them again."""
    add_passkey(page)
    keep_codes(page)
    sign_out(page)

    def is_answer(request: Request) -> bool:
        return request.method == "POST" and request.url.endswith("/sign-in/passkey")

    with page.expect_request_finished(is_answer) as finished:
        page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url(lambda url: "/sign-in" not in url)
    body, headers = finished.value.post_data or "", finished.value.all_headers()
    # As an authenticator without a counter.
    begin_write()
    db.session.execute(update(Passkey).values(sign_count=0))
    db.session.commit()
    names = ("cookie", "content-type", "referer", "origin")
    kept = {name: headers[name] for name in names if name in headers}
    url = f"{address}/sign-in/passkey"
    again = requests.post(url, data=body, headers=kept, allow_redirects=False, timeout=30)
    assert again.status_code == 422
    assert "The passkey was not accepted." in again.text


def test_address_without_passkeys(admin: Page) -> None:
    """At an IP address the pages offer no passkeys, and say what is needed."""
    admin.goto("/account/passkeys/add")
    expect(admin.get_by_text("CALLEVENTS_PUBLIC_URL")).to_be_visible()
    sign_out(admin)
    expect(admin.get_by_role("button", name="Use a passkey")).to_have_count(0)


def test_browser_without_javascript(sign_in: People, address: str) -> None:
    """Without JavaScript the sign-in page has no button that does nothing."""
    page = sign_in.open(base_url=address, java_script_enabled=False)
    page.goto("/account/passkeys/add")
    page.get_by_label("Name").fill("Laptop")
    page.get_by_label("Current password").fill(PASSWORD)
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_text("This needs JavaScript")).to_be_visible()
    expect(page.get_by_role("button", name="Create the passkey")).to_have_count(0)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("is_narrow", [False, True], ids=["wide", "narrow"])
def test_pages(sign_in: People, address: str, theme: str, is_narrow: bool) -> None:
    """Each page is accessible, fits the window, and breaks no rule of the policy."""
    options = {"viewport": NARROW} if is_narrow else {}
    page = sign_in.open(base_url=address, color_scheme=theme, **options)
    messages: list[ConsoleMessage] = []
    page.on("console", lambda message: messages.append(message))  # noqa: PLW0108
    Device(page)
    add_passkey(page)
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    paths = ["", "/app", "/turn-off", "/recovery-codes"]
    check_page(page)
    for path in [f"/account/second-factor{path}" for path in paths] + ["/account"]:
        page.goto(path)
        check_page(page)
    page.goto("/account/second-factor/app")
    secret = page.locator("#app-key").inner_text()
    page.get_by_label("Code in the app").fill(pyotp.TOTP(secret).now())
    page.get_by_label("Current password").fill(PASSWORD)
    page.get_by_role("button", name="Set up").click()
    expect(page.get_by_text("The app is set up.")).to_be_visible()
    page.goto("/account")
    sign_out(page)
    check_page(page)
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_label("Code")).to_be_focused()
    check_page(page)
    assert [one.text for one in messages if one.type == "error"] == []


def check_page(page: Page) -> None:
    """Check accessibility and width."""
    check_accessibility(page)
    assert not scrolls_sideways(page)
