"""Users: an invitation, a reset, and a removal by page and by command, in two browsers."""

import pytest
from flask import Flask
from playwright.sync_api import Page, expect

from callevents.db.models import Pbx
from callevents.enums import EventType
from callevents.extensions import db
from callevents.hooks import queries
from callevents.users import users
from callevents.users.grants import describe_grant
from tests.browser.conftest import PASSWORD, People, check_accessibility
from tests.conftest import Configure

SIGNED_OUT = "You have been signed out. Sign in again."
NEW_PASSWORD = "another one for a test"


@pytest.fixture(autouse=True)
def _request(pbx: Pbx, other_pbx: Pbx, configure: Configure) -> None:
    """A request to click on."""
    configure.extension("101")
    configure.hook("101", EventType.DIAL_IN, "https://crm.example.com/pop")


@pytest.fixture(params=[True, False], ids=["htmx", "plain"])
def page(request: pytest.FixtureRequest, sign_in: People) -> Page:
    """The page of an admin, with JavaScript and without."""
    page = sign_in.open(java_script_enabled=request.param)
    page.goto("/pbxs")
    return page


@pytest.fixture
def olga(sign_in: People) -> Page:
    """The browser of somebody else."""
    return sign_in.visit()


def invite(page: Page, name: str) -> str:
    """Invite an operator of the head office; return the link."""
    page.get_by_role("navigation", name="Sections").get_by_role("link", name="Users").click()
    page.get_by_role("link", name="Invite user").click()
    page.get_by_label("Username").fill(name)
    page.get_by_label("Role 1", exact=True).select_option("operator")
    page.get_by_label("PBX of role 1").select_option("Head office")
    page.get_by_role("button", name="Invite", exact=True).click()
    return read_link(page)


def read_link(page: Page) -> str:
    """Return the link that is shown, and go on."""
    link = page.locator("#password-link").inner_text()
    page.locator(".dialog-foot").get_by_text("Close").or_(page.get_by_text("Back to")).click()
    return link


def use(link: str, page: Page, password: str = PASSWORD) -> None:
    """Choose a password with the link, sign in, and open the table of call events."""
    page.goto(link)
    page.get_by_label("New password").fill(password)
    page.get_by_role("button", name="Set password").click()
    expect(page.get_by_text("The password of olga is set.")).to_be_visible()
    page.get_by_label("Username").fill("olga")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: "/sign-in" not in url)
    page.goto("/pbxs/head-office/extensions")
    page.get_by_role("link", name="101", exact=True).click()
    expect(page.get_by_role("button", name="click to disable")).to_be_visible()


def click_and_see(page: Page) -> None:
    """Click on the status icon of the open page: the answer is that one has been signed out."""
    page.get_by_role("button", name="click to disable").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    expect(page.get_by_text(SIGNED_OUT)).to_be_visible()
    db.session.rollback()
    assert [hook.active for hook in queries.list_all_hooks()] == [True]


def test_invitation_reset_and_removal_by_page(app: Flask, page: Page, olga: Page) -> None:
    """Each takes effect at the next click of the open page."""
    link = invite(page, "olga")
    row = page.get_by_role("row").filter(has_text="olga")
    page.goto("/users")
    expect(row).to_contain_text("operator of Head office never invited")
    use(link, olga)
    page.goto("/users")
    expect(row).to_contain_text("active")
    olga.get_by_role("button", name="click to disable").click()
    olga.get_by_role("button", name="click to enable").click()

    page.get_by_role("link", name="olga").click()
    page.get_by_role("link", name="Reset password").click()
    page.get_by_role("button", name="Reset password").click()
    link = read_link(page)
    click_and_see(olga)
    use(link, olga, NEW_PASSWORD)

    page.goto("/users/olga")
    page.get_by_role("link", name="Remove").click()
    page.get_by_role("button", name="Remove user").click()
    expect(page.get_by_text("olga was removed.")).to_be_visible()
    expect(page.get_by_role("table", name="Users")).not_to_contain_text("olga")
    click_and_see(olga)


def test_removal_by_command(app: Flask, page: Page, olga: Page) -> None:
    """A user who is removed in a shell is signed out at the next click, too."""
    use(invite(page, "olga"), olga)
    db.session.rollback()
    result = app.test_cli_runner().invoke(args=["users", "remove", "olga"])
    assert result.output == "Removed user olga.\n"
    click_and_see(olga)


def test_disable_and_enable(page: Page, olga: Page) -> None:
    """The buttons change places; sessions end."""
    use(invite(page, "olga"), olga)
    page.goto("/users/olga")
    page.get_by_role("button", name="Disable").click()
    expect(page.get_by_text("olga is disabled and signed out.")).to_be_visible()
    expect(page.get_by_role("button", name="End sessions")).to_have_count(0)
    click_and_see(olga)
    page.get_by_role("button", name="Enable").click()
    expect(page.get_by_text("olga is enabled.")).to_be_visible()
    expect(page.get_by_role("button", name="Disable")).to_be_visible()


def test_more_roles(sign_in: People) -> None:
    """A row is added with a click; a wrong one is explained at its place."""
    page = sign_in.open()
    page.goto("/users/viewer")
    page.get_by_role("link", name="Roles and e-mail").click()
    dialog = page.get_by_role("dialog")
    for number in (2, 3):
        dialog.get_by_label(f"Role {number}", exact=True).select_option("operator")
    dialog.get_by_label("PBX of role 2").select_option("Branch")
    dialog.get_by_label("PBX of role 3").select_option("Head office")
    dialog.get_by_role("button", name="Add role").click()
    expect(dialog.get_by_label("Role 4", exact=True)).to_be_focused()
    dialog.get_by_label("Role 4", exact=True).select_option("self-service")
    dialog.get_by_label("PBX of role 4").select_option("Head office")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_text("The role self-service needs a PBX")).to_be_visible()
    expect(dialog.get_by_label("Role 4", exact=True)).to_be_focused()
    check_accessibility(page)
    dialog.get_by_label("Extension of role 4").fill("101")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_be_hidden()
    expect(page.locator("#user")).to_contain_text("self-service of Head office, extension 101")
    db.session.rollback()
    assert list(map(describe_grant, users.get_user("viewer").grants)) == [
        *("viewer", "operator:branch", "operator:head-office"),
        "self-service:head-office:101",
    ]
