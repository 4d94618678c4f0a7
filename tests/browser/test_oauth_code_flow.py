"""The code flow in Chromium: an app on a socket sends a user to us and gets the user back."""

from collections.abc import Iterator
from html import escape
from urllib.parse import urlencode

import pytest
import requests
from flask import Flask
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import NARROW, PASSWORD, People, check_accessibility, scrolls_sideways
from tests.support.oauth_app import AppKey, add_app, scopes_of
from tests.support.receiver import Arrival, Receiver, Reply

AUTHORIZE = "/oauth/authorize.php"


@pytest.fixture
def crm(app: Flask, people: None, receiver: Receiver) -> AppKey:
    """An app of the admin, which is on the socket."""
    return add_app("admin", back=f"{receiver.url}/back")


@pytest.fixture(params=[True, False], ids=["script", "plain"])
def page(request: pytest.FixtureRequest, browser: Browser, site: str) -> Iterator[Page]:
    """A browser that is not signed in, with JavaScript and without."""
    context = browser.new_context(base_url=site, java_script_enabled=request.param)
    yield context.new_page()
    context.close()


def url_of(crm: AppKey, receiver: Receiver, **more: str) -> str:
    """Return the path of the app's request."""
    return f"{AUTHORIZE}?{urlencode(crm.asks(redirect_uri=f'{receiver.url}/back', **more))}"


def sign_in(page: Page) -> None:
    """Sign in on the page."""
    page.get_by_label("Username").fill("viewer")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def find_back(receiver: Receiver) -> dict[str, str]:
    """Return what the browser brought back to the app, once."""
    [arrival] = [one for one in receiver.arrivals if one.path == "/back"]
    assert arrival.method == "GET"
    assert "Referer" not in arrival.headers
    return arrival.parameters


def test_allowed(page: Page, site: str, crm: AppKey, receiver: Receiver) -> None:
    """Sign in, allow, and the app exchanges the code for a token, which works once."""
    page.goto(url_of(crm, receiver, state="a b&c=ö"))
    sign_in(page)
    expect(page.get_by_role("heading", name="Allow CRM?")).to_be_visible()
    page.get_by_role("button", name="Allow").click()
    page.wait_for_url(f"{receiver.url}/back?**")
    found = find_back(receiver)
    assert found["state"] == "a b&c=ö"
    fields = {
        **crm.fields,
        "grant_type": "authorization_code",
        "code": found["code"],
        "redirect_uri": f"{receiver.url}/back",
    }
    first = requests.post(f"{site}/oauth/token.php", fields, timeout=30).json()
    assert scopes_of(first["access_token"]) == "uapi hooks:read"
    second = requests.post(f"{site}/oauth/token.php", fields, timeout=30)
    assert (second.status_code, second.json()["error"]) == (400, "invalid_grant")
    assert scopes_of(first["access_token"]) is None


def test_denied(page: Page, crm: AppKey, receiver: Receiver) -> None:
    """The app gets the error, and no code."""
    page.goto(url_of(crm, receiver))
    sign_in(page)
    page.get_by_role("button", name="Deny").click()
    page.wait_for_url(f"{receiver.url}/back?**")
    found = find_back(receiver)
    assert (found["error"], found["state"]) == ("access_denied", "s-1")
    assert "code" not in found


def test_app_redirects_once_more(page: Page, crm: AppKey, receiver: Receiver) -> None:
    """The policy of our page does not stop what the app does afterwards: another host of its own.

    Here that is the same server by another name.
    """
    other = receiver.url.replace("127.0.0.1", "localhost")
    moved = Reply(302, {"Location": f"{other}/done"})
    receiver.reply = lambda arrival: moved if arrival.path == "/back" else Reply()
    page.goto(url_of(crm, receiver))
    sign_in(page)
    page.get_by_role("button", name="Allow").click()
    page.wait_for_url(f"{other}/done")


def test_form_of_another_site(sign_in: People, site: str, crm: AppKey, receiver: Receiver) -> None:
    """A user who is signed in comes by a POST from another site, and need not sign in again."""
    page = sign_in.open("viewer")
    values = crm.asks(redirect_uri=f"{receiver.url}/back", state="<'\">")
    inputs = "".join(
        f'<input type="hidden" name="{name}" value="{escape(value)}">'
        for name, value in values.items()
    )
    form = f'<form method="post" action="{site}{AUTHORIZE}">{inputs}<button>Connect</button></form>'

    def answer(arrival: Arrival) -> Reply:
        body = form if arrival.path == "/start" else "ok"
        return Reply(headers={"Content-Type": "text/html"}, body=body.encode())

    receiver.reply = answer
    # Another site, to which the cookie of ours does not belong.
    page.goto(f"{receiver.url.replace('127.0.0.1', 'localhost')}/start")
    page.get_by_role("button", name="Connect").click()
    expect(page.get_by_role("heading", name="Allow CRM?")).to_be_visible()
    page.get_by_role("button", name="Allow").click()
    page.wait_for_url(f"{receiver.url}/back?**")
    assert find_back(receiver)["state"] == "<'\">"
    page.goto("/account")
    expect(page.get_by_role("heading", name="Account")).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("is_narrow", [False, True], ids=["wide", "narrow"])
def test_pages(
    sign_in: People, crm: AppKey, receiver: Receiver, theme: str, is_narrow: bool
) -> None:
    """The page of the app and that of an unknown app are accessible and fit the window."""
    options = {"viewport": NARROW} if is_narrow else {}
    page = sign_in.open("viewer", color_scheme=theme, **options)
    for path in (url_of(crm, receiver), f"{AUTHORIZE}?client_id=unknown"):
        page.goto(path)
        check_accessibility(page)
        assert not scrolls_sideways(page)


def test_framed_page_is_refused(
    sign_in: People, site: str, crm: AppKey, receiver: Receiver
) -> None:
    """Another site cannot show the page in a frame, under a button of its own."""
    page = sign_in.open("viewer")
    frame = f'<iframe src="{escape(site + url_of(crm, receiver))}"></iframe>'
    receiver.reply = lambda _: Reply(headers={"Content-Type": "text/html"}, body=frame.encode())
    page.goto(f"{receiver.url}/start")
    shown = page.frame_locator("iframe")
    expect(shown.get_by_role("button", name="Allow")).to_have_count(0)
    expect(page.locator("iframe")).to_have_count(1)
