"""Four users of two PBXs walk through what they may do, and find nothing that they may not."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from callevents.api_access.api_tokens import add_api_token
from callevents.api_access.apps import add_app
from callevents.db.models import Extension, Pbx
from callevents.db.session import begin_write
from callevents.delivery.engine import Engine
from callevents.enums import EventType, Method, Role
from callevents.extensions import db
from callevents.hooks.hooks import HookData, create_hook
from callevents.ingest.accept import accept
from callevents.ingest.report import Report
from callevents.pbxs import extensions
from callevents.users import users
from callevents.users.grants import NewGrant
from tests.browser.conftest import PASSWORD, People, check_accessibility
from tests.support.receiver import Receiver

Open = Callable[[str], Page]
ACCESS = "/api-access"


@pytest.fixture
def open_page(
    sign_in: People, pbx: Pbx, other_pbx: Pbx, receiver: Receiver, working: Engine
) -> Open:
    """Opens a page of a user: 'admin', or an operator, viewer or owner of the head office."""
    begin_write()
    own, other = (extensions.add_extension(pbx, number) for number in ("101", "102"))
    foreign = extensions.add_extension(other_pbx, "201", "Elsewhere")
    for where, extension in ((pbx, own), (pbx, other), (other_pbx, foreign)):
        _configure(where, extension, receiver.url)
    for name, grant in (
        ("operator", NewGrant(Role.OPERATOR, pbx)),
        ("reader", NewGrant(Role.VIEWER, pbx)),
        ("owner", NewGrant(Role.SELF_SERVICE, pbx, own)),
    ):
        user = users.add_user(name, PASSWORD, grant)
        add_api_token(user, "Export", ["hooks:read"], pbx=pbx)
        add_app(user, "CRM")
    db.session.commit()
    receiver.wait_for(3)
    return sign_in.open


def _configure(pbx: Pbx, extension: Extension, url: str) -> None:
    """Add a request, and report an event."""
    data = HookData(url=url, method=Method.GET, active=True, note="")
    create_hook(pbx, extension, EventType.DIAL_IN, data)
    number = extension.number
    report = Report(event_type=EventType.DIAL_IN, extension=number, call_id=number)
    accept(pbx, [report])


def sections(page: Page) -> list[str]:
    """Return the links of the navigation."""
    return page.get_by_role("navigation", name="Sections").get_by_role("link").all_inner_texts()


def numbers(page: Page) -> list[str]:
    """Return the first column of the list of extensions."""
    expect(page.locator("table.extensions")).to_be_visible()
    return page.locator("table.extensions td.number").all_inner_texts()


def status_of(page: Page, path: str) -> int:
    """Return the status of a page that is requested in the user's browser."""
    answer = page.goto(path)
    assert answer is not None
    return answer.status


def follow_all_links(page: Page) -> None:
    """Request each link of the page: nothing may be offered that is then refused."""
    links: list[str] = page.eval_on_selector_all(
        "main a[href], header a[href]", "all => all.map(one => one.getAttribute('href'))"
    )
    internal = {link for link in links if link.startswith("/")}
    assert internal
    refused = {link: page.request.get(link).status for link in sorted(internal)}
    assert {link: status for link, status in refused.items() if status >= 400} == {}


def test_admin(open_page: Open) -> None:
    """An admin of all PBXs sees and changes everything."""
    page = open_page("admin")
    of_pbx = ["Extensions", "Requests", "Deliveries"]
    of_all = ["Receivers", "Overview", "PBXs", "Activity", "Users"]
    assert sections(page) == of_pbx + of_all
    for path in (
        "/pbxs",
        "/pbxs/head-office",
        "/pbxs/branch/extensions",
        "/users",
        "/deliveries",
        ACCESS,
    ):
        assert status_of(page, path) == 200
        follow_all_links(page)
    assert numbers(open_page("admin")) == ["All extensions", "201"]


def test_operator_of_one_pbx(open_page: Open) -> None:
    """An operator changes requests and extensions of that PBX, but not the PBX."""
    page = open_page("operator")
    of_pbx = ["Extensions", "Requests", "Deliveries"]
    assert sections(page) == [*of_pbx, "Receivers", "Overview", "PBXs"]
    assert numbers(page) == ["All extensions", "101", "102"]
    follow_all_links(page)
    page.get_by_role("link", name="101", exact=True).click()
    expect(page.get_by_role("rowheader", name="Dial-In")).to_be_visible()
    follow_all_links(page)
    page.get_by_role("button", name="enabled").click()
    expect(page.get_by_text("Dial-In of 101 is disabled.")).to_be_visible()
    check_accessibility(page)
    page.goto("/pbxs")
    expect(page.get_by_text("Branch")).to_have_count(0)
    expect(page.get_by_role("link", name="Add PBX")).to_have_count(0)
    assert status_of(page, "/pbxs/head-office") == 200
    expect(page.get_by_text("Data protection")).to_be_visible()
    for name in ("Rename", "Remove", "Connect", "Edit"):
        expect(page.locator("main").get_by_role("link", name=name)).to_have_count(0)
    follow_all_links(page)
    for path in ("/pbxs/branch", "/pbxs/branch/extensions", "/pbxs/branch/deliveries"):
        assert status_of(page, path) == 404
    for path in ("/users", "/activity", "/pbxs/new", "/pbxs/head-office/rename"):
        assert status_of(page, path) == 403


def test_viewer_of_one_pbx(open_page: Open) -> None:
    """A viewer sees that PBX and changes nothing; a request can be opened."""
    page = open_page("reader")
    assert numbers(page) == ["All extensions", "101", "102"]
    follow_all_links(page)
    page.get_by_role("link", name="102", exact=True).click()
    expect(page.get_by_role("rowheader", name="Dial-In")).to_be_visible()
    expect(page.get_by_role("button", name="enabled")).to_have_count(0)
    expect(page.get_by_role("link", name="Clear selected")).to_have_count(0)
    page.get_by_role("link", name="Dial-In").first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("Give up after")).to_be_visible()
    expect(dialog.get_by_role("button", name="Save")).to_have_count(0)
    check_accessibility(page)
    for path in ("/pbxs/head-office/deliveries", "/pbxs/head-office", "/overview", ACCESS):
        assert status_of(page, path) == 200
        follow_all_links(page)
    assert status_of(page, "/pbxs/branch/extensions") == 404


def test_owner_of_one_extension(open_page: Open) -> None:
    """The owner of an extension changes its requests and sees its deliveries, and no others."""
    page = open_page("owner")
    assert sections(page) == ["Extensions", "Requests", "Deliveries", "Receivers"]
    assert numbers(page) == ["101"]
    expect(page.get_by_role("link", name="Add extension")).to_have_count(0)
    follow_all_links(page)
    check_accessibility(page)
    page.get_by_role("link", name="101", exact=True).click()
    expect(page.get_by_role("rowheader", name="Dial-In")).to_be_visible()
    follow_all_links(page)
    page.get_by_role("link", name="Dial-In").first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Note").fill("mine")
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Dial-In: the request is saved.")).to_be_visible()
    page.get_by_role("button", name="enabled").click()
    expect(page.get_by_text("Dial-In of 101 is disabled.")).to_be_visible()
    page.get_by_role("navigation", name="Sections").get_by_role("link", name="Deliveries").click()
    expect(page.locator("table.deliveries tbody tr")).to_have_count(1)
    expect(page.locator("table.deliveries td.number")).to_have_text("101")
    follow_all_links(page)
    assert status_of(page, ACCESS) == 200
    follow_all_links(page)
    for path in (
        *("/pbxs/head-office", "/pbxs/head-office/extensions/all", "/pbxs/head-office/connect"),
        *("/pbxs/branch/extensions", "/pbxs/branch"),
    ):
        assert status_of(page, path) == 404
    check_accessibility(page)
