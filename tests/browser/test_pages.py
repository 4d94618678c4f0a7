"""Every page, wide and narrow, light and dark: accessible, no side scrolling, no errors."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from callevents.api_access.scopes import V1_SCOPES
from callevents.db.models import Pbx, utc_now
from callevents.db.session import begin_write
from callevents.delivery.engine import Engine
from callevents.delivery.log import queries
from callevents.enums import ConnectorKind, ConnectorState, DeliveryState, EventType, Method
from callevents.extensions import db
from callevents.pbxs import connectors, extensions
from callevents.pbxs.connectors import ConnectorConfig
from callevents.users import invitations, sessions
from callevents.users.grants import parse_grant
from callevents.users.users import find_user
from tests.api_access.adding import add_app, add_token, allow
from tests.browser.conftest import (
    COLOUR_RULES,
    NARROW,
    WIDE,
    People,
    check_accessibility,
    scrolls_sideways,
)
from tests.conftest import Configure
from tests.support.receiver import Receiver
from tests.support.waiting import wait_for_state

BASE = "/pbxs/head-office"
LONG_URL = "https://crm.example.com/api/v2/tenants/northern-branch/calls/screen-pop?tenant=7&key=1"


@pytest.fixture
def paths(
    app: object,
    pbx: Pbx,
    token: str,
    configure: Configure,
    receiver: Receiver,
    engine: Engine,
    client: object,
    people: None,
) -> dict[str, str]:
    """The paths of all pages by name, with data for each."""
    configure.extension("101", "Reception")
    configure.extension("0003*210", "An extension with a name that is rather long, as some are")
    hook = configure.hook("101", EventType.DIAL_IN, receiver.url + "/pop")
    configure.hook("101", EventType.DIAL_IN, LONG_URL, Method.POST, active=False)
    configure.hook("*", EventType.HANGUP, receiver.url + "/cdr", Method.POST)
    event_id = hook.event_id
    for fields in ("event=dial-in&ext=101", "event=hangup&ext=999&cause=16"):
        client.get(f"/ingest/head-office?token={token}&{fields}&call=c1&peer=0612")  # type: ignore[attr-defined]  # a FlaskClient
    add_connector(pbx)
    add_session("admin")
    engine.start()
    receiver.wait_for(2)
    db.session.rollback()
    delivery = queries.list_deliveries(pbx=pbx, limit=1)[0].id
    wait_for_state(delivery, DeliveryState.DELIVERED)
    extension = next(one.id for one in extensions.list_extensions(pbx) if one.number == "101")
    db.session.rollback()
    return {
        "first steps": "/",
        "account": "/account",
        "password": "/account/password",
        "pbxs": "/pbxs",
        "new pbx": "/pbxs/new",
        "pbx": BASE,
        "rename pbx": f"{BASE}/rename",
        "recent reports": f"{BASE}/recent-reports",
        "connect": f"{BASE}/connect?type=yeastar",
        "connect, received": f"{BASE}/connect?type=freeswitch&since=1",
        "connector": f"{BASE}/connector/edit",
        "remove connector": f"{BASE}/connector/remove",
        "test event": f"{BASE}/test-event",
        "extensions": f"{BASE}/extensions",
        "new extension": f"{BASE}/extensions/new",
        "rename extension": f"{BASE}/extensions/{extension}/rename",
        "delete extension": f"{BASE}/extensions/{extension}/delete",
        "call events": f"{BASE}/extensions/{extension}",
        "call events of all": f"{BASE}/extensions/all",
        "new request": f"{BASE}/extensions/{extension}/requests/new/dial-out",
        "request": f"{BASE}/extensions/{extension}/requests/{event_id}",
        "clear": f"{BASE}/extensions/{extension}/clear?event_id={event_id}",
        "deliveries": f"{BASE}/deliveries",
        "filtered deliveries": f"{BASE}/deliveries?state=delivered&call=c1",
        "requests": f"{BASE}/requests",
        "requests of all": "/requests?state=broken",
        "change of requests": f"{BASE}/requests/change?action=disable&all=yes",
        "replace in urls": f"{BASE}/requests/change?action=replace&all=yes",
        "import extensions": f"{BASE}/extensions/import",
        "range of extensions": f"{BASE}/extensions/range",
        "configure for many": f"{BASE}/extensions/selected?action=configure&all=yes",
        "copy to many": f"{BASE}/extensions/selected?action=copy&all=yes",
        "request for many": f"{BASE}/extensions/configure/hangup?all=yes",
        "groups": f"{BASE}/groups",
        "new group": f"{BASE}/groups/new",
        "deliveries of all": "/deliveries",
        "send again": f"{BASE}/deliveries/resend?state=delivered",
        "cancel": f"{BASE}/deliveries/cancel?ext=nobody",
        "recover": f"{BASE}/requests/{event_id}/recover",
        "call": f"{BASE}/call?id=c1",
        "delivery": f"{BASE}/deliveries/{delivery}",
        "overview": "/overview",
        "suspended": "/suspended",
        "activity": "/activity",
        "filtered activity": "/activity?object=101&from=2026-01-01T00:00",
        "users": "/users",
        "invite user": "/invitations/new",
        "user": "/users/viewer",
        "own user": "/users/admin",
        "roles": "/users/viewer/edit",
        "reset password": "/users/viewer/reset-password",
        "remove user": "/users/viewer/remove",
        **add_access(pbx),
        "invitation": f"/welcome/{invite_user()}",
        "api": "/api/docs",
        "api, a group": "/api/docs/about",
        "api, webhooks": "/api/docs/what-we-send",
        "nothing": "/nothing/here",
    }


@pytest.fixture(params=["light", "dark"])
def scheme(request: pytest.FixtureRequest) -> str:
    """The preferred colour scheme of the system."""
    return str(request.param)


def add_connector(pbx: Pbx) -> None:
    """Give the PBX a connector that does not work, with every field set."""
    begin_write()
    access = ConnectorConfig(
        kind=ConnectorKind.ASTERISK,
        host="pbx-with-a-rather-long-name.northern-branch.example.com",
        port=5038,
        username="callevents",
        secret="secret",
        uses_tls=True,
        extension_pattern="[1-4][0-9][0-9]|0003[*][0-9]{3}",
    )
    connector = connectors.set_connector(pbx, access)
    connector.leader_until = utc_now() + timedelta(hours=1)
    connector.leader_name = "calls-1.example.com, process 4711"
    connector.state = ConnectorState.PAUSING
    connector.messages, connector.events, connector.skipped = 1_234_567, 4321, 12
    connector.waiting = connector.dropped_legs = 2
    connector.last_error_at = connector.last_message_at = utc_now()
    connector.last_error = (
        "Asterisk refuses the user 'callevents': it said 'Authentication failed'. Check the name, "
        "the secret, and permit in manager.conf."
    )
    db.session.commit()


def add_access(pbx: Pbx) -> dict[str, str]:
    """Add API tokens and apps with long values; return the paths of their pages."""
    admin, viewer = find_user("admin"), find_user("viewer")
    assert admin
    assert viewer
    now = utc_now()
    _, (expired, _) = add_token(admin, "x" * 100, *V1_SCOPES), add_token(admin, pbx=pbx)
    other, _ = add_token(viewer, "Export", *V1_SCOPES[1:], expires_at=now + timedelta(days=30))
    crm = add_app(admin, "CRM of the northern branch", redirect_uris=[LONG_URL])
    allow(admin, crm)
    begin_write()
    expired.expires_at = other.last_used_at = crm.last_used_at = now
    other.last_used_address = crm.last_used_address = "2001:db8:4a5b:1c2d:8e9f:1234:5678:9abc"
    db.session.commit()
    page = "/api-access"
    return {
        "api access": page,
        "new api token": f"{page}/tokens/new",
        "revoke api token": f"{page}/tokens/{expired.id}/revoke",
        "new app": f"{page}/apps/new",
        "app": f"{page}/apps/{crm.id}/edit",
        "new secret": f"{page}/apps/{crm.id}/secret",
        "remove app": f"{page}/apps/{crm.id}/remove",
        "revoke access": f"{page}/allowed/{crm.id}/revoke",
    }


def invite_user() -> str:
    """Invite a user with a long name; return the token of the link."""
    begin_write()
    roles = [parse_grant("self-service:head-office:101"), parse_grant("operator")]
    name = "someone.with.a.rather.long.name.as.some.have@branch.example"
    _, token = invitations.invite_user(name, "someone@branch.example", roles)
    db.session.commit()
    return token


def add_session(username: str) -> None:
    """Sign the user in with another browser, at a long address."""
    begin_write()
    user = find_user(username)
    assert user is not None
    sessions.start_session(user, "Edge on Windows", "2001:db8:4a5b:1c2d:8e9f:1234:5678:9abc")
    db.session.commit()


@pytest.fixture(params=[WIDE, NARROW], ids=["1280", "390"])
def viewport(request: pytest.FixtureRequest) -> ViewportSize:
    """The size of the window."""
    size: ViewportSize = request.param
    return size


@pytest.fixture
def looking(sign_in: People, scheme: str, viewport: ViewportSize) -> Iterator[Page]:
    """An admin's page; fails at the end if the console has errors or warnings."""
    page = sign_in.open(color_scheme=scheme, viewport=viewport, reduced_motion="reduce")
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console",
        lambda said: complaints.append(said.text) if said.type in {"error", "warning"} else None,
    )
    yield page
    assert [one for one in complaints if "404 (NOT FOUND)" not in one] == []


def test_every_page_keeps_the_rules(looking: Page, paths: dict[str, str], scheme: str) -> None:
    """One h1, a title, no side scrolling, nothing found by axe, on every page."""
    # A page differs in its colours only when it is dark.
    rules = COLOUR_RULES if scheme == "dark" else ()
    for name, path in paths.items():
        looking.goto(path)
        assert looking.locator("h1").count() == 1, name
        assert looking.title().endswith("Call Events"), name
        assert not scrolls_sideways(looking), f"{name} scrolls sideways"
        check_accessibility(looking, rules=rules)


def test_dialogs_keep_the_rules(looking: Page, paths: dict[str, str]) -> None:
    """The dialogs fit, scroll nothing sideways, and axe finds nothing in them."""
    looking.goto(paths["call events"])
    looking.locator("#event-dial-in").click()
    looking.get_by_role("dialog").get_by_label("Make request to").wait_for()
    assert not scrolls_sideways(looking)
    check_accessibility(looking)


def test_theme_by_choice(sign_in: People, pbx: Pbx) -> None:
    """Dark by choice while the system is light, and kept on the next page."""
    page = sign_in.open(color_scheme="light")
    page.goto("/pbxs")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    page.get_by_role("button", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.goto("/pbxs")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert dark != light


def test_long_secret_leaves_room_for_its_button(sign_in: People, pbx: Pbx) -> None:
    """On a phone, a token without any hyphen wraps within its box, beside the button to copy it."""
    page = sign_in.open(viewport=NARROW)
    page.goto(BASE)
    page.locator("#create-token").click()
    page.locator("#new-token").evaluate("one => one.textContent = 'cet_' + 'W'.repeat(43)")
    box = page.locator(".secret").bounding_box()
    button = page.locator("#copy-token").bounding_box()
    assert box
    assert button
    assert button["x"] + button["width"] <= box["x"] + box["width"] <= NARROW["width"]
    page.locator("#copy-token").click(trial=True)
    check_accessibility(page)
