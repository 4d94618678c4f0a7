"""Each action is recorded, by page, command or process, with who did it."""

import getpass
from collections.abc import Callable
from urllib.parse import urlencode

import pytest
from sqlalchemy import select

from callevents.api_access.api_tokens import list_api_tokens
from callevents.api_access.apps import list_apps
from callevents.audit import Action
from callevents.db.models import Pbx, Removal
from callevents.db.session import begin_write
from callevents.enums import EventType
from callevents.extensions import db
from callevents.users.users import get_user
from tests.api_access.adding import allow
from tests.audit import changing_many
from tests.audit.conftest import actions, entries
from tests.audit.world import ALL, BASE, NUMBER, World, world
from tests.conftest import Configure
from tests.support.oauth_app import add_app
from tests.web.conftest import PASSWORD
from tests.web.test_hook_form import fields
from tests.web.views.test_connectors import FIELDS

__all__ = ["world"]

EDIT = f"{BASE}/connector/edit"
VIEWER = "/users/viewer"
OPERATOR = {"roles-0-role": "operator", "roles-0-pbx": "*"}
OLGA: dict[str, object] = {"username": "olga", "roles-0-role": "viewer", "roles-0-pbx": "*"}
ACCESS = "/api-access"
TOKEN: dict[str, object] = {"name": "Export", "scopes": "hooks:read", "pbx": "*", "expires": "1y"}
APP: dict[str, object] = {"name": "CRM", "scopes": "uapi", "pbx": "*", "owner": "viewer"}
OFF: dict[str, object] = {"enabled": ""}
KEPT: dict[str, object] = {"secret": ""}


def connect(world: World, **values: object) -> None:
    """Set the connector with these values."""
    world.post(EDIT, **{**FIELDS, **values})


def change_hook(world: World, **values: object) -> None:
    """Submit the hook's dialog with these values."""
    db.session.rollback()
    url = world.hook.url
    status = 200 if values.get("signing") == "new" else 303
    world.post(world.dialog, status=status, **{**fields(url, **values), "method": "GET"})


def enable_hook(world: World) -> None:
    """Disable the hook and enable it again."""
    for active in ("no", "yes"):
        world.post(f"{world.dialog}/active", active=active)


def change_connector(world: World, first: dict[str, object], then: dict[str, object]) -> None:
    """Set the connector, and then change it."""
    connect(world, **first)
    connect(world, **then)


def remove_connector(world: World) -> None:
    """Set the connector and remove it."""
    connect(world)
    world.post(f"{BASE}/connector/remove")


def sign_in_again(world: World) -> None:
    """Sign out and in."""
    world.post("/sign-out")
    world.user.sign_in("admin")


def enable_user(world: World) -> None:
    """Disable a user and enable it again."""
    for action in ("disable", "enable"):
        world.post(f"{VIEWER}/{action}")


def cancel_held(world: World) -> None:
    """Disable the hook and cancel what waits."""
    world.post(f"{world.dialog}/active", active="no")
    world.post(f"{world.dialog}/cancel-held")


def undo(world: World) -> None:
    """Clear the hook and undo that."""
    world.post(f"{ALL}/clear", event_id=world.hook.event_id)
    db.session.rollback()
    world.post(f"{BASE}/removals/{db.session.scalars(select(Removal.id)).one()}/undo")


def fetch_users(world: World) -> None:
    """Ask a receiver for its users; nothing listens there."""
    world.command("receivers add B24 --recipe bitrix24 --set url=http://127.0.0.1:9/rest/1/abc")
    world.post("/receivers/b24/users/head-office/fetch", status=422)


def turn_off_app(world: World) -> None:
    """Turn off the second factor."""
    world.post("/account/second-factor/turn-off", current=PASSWORD)


def resume(world: World) -> None:
    """Suspend the hook and resume it on a page."""
    world.suspend()
    world.post("/suspended")


def allow_app(world: World) -> None:
    """Allow an app on its page."""
    fields = add_app("admin").asks()
    world.user.get(f"/oauth/authorize.php?{urlencode(fields)}")
    world.post("/oauth/consent", status=302, **fields, decision="allow")


def fail_sign_in(world: World) -> None:
    """Sign out and enter a wrong password."""
    world.post("/sign-out")
    world.get("/sign-in")
    world.post("/sign-in", status=422, username="admin", password="wrong")


def create_api_token(world: World) -> None:
    """Create an API token."""
    world.post(f"{ACCESS}/tokens/new", status=200, **TOKEN)


def revoke_api_token(world: World) -> None:
    """Create an API token and revoke it."""
    create_api_token(world)
    db.session.rollback()
    [token] = list_api_tokens()
    world.post(f"{ACCESS}/tokens/{token.id}/revoke")


def make_app(world: World) -> str:
    """Add an app; return its path."""
    world.post(f"{ACCESS}/apps/new", status=200, **APP)
    db.session.rollback()
    [app] = list_apps()
    return f"{ACCESS}/apps/{app.id}"


def revoke_access(world: World) -> None:
    """Allow an app, and withdraw that."""
    key = add_app("admin")
    allow(get_user("admin"), key.load())
    world.post(f"{ACCESS}/allowed/{key.id}/revoke")


#: What is done on pages, by the action that is recorded for it.
PAGES: dict[Action, Callable[[World], None]] = {
    Action.PBX_ADDED: lambda w: w.post("/pbxs/new", status=200, name="Branch", format="generic"),
    Action.PBX_RENAMED: lambda w: w.post(f"{BASE}/rename", name="Main office"),
    Action.PBX_FORMAT_CHANGED: lambda w: w.post(f"{BASE}/connect/format?type=kamailio"),
    Action.PBX_QUOTAS_CHANGED: lambda w: w.post(f"{BASE}/quotas/edit", max_hooks="9"),
    Action.PBX_DATA_PROTECTION_CHANGED: lambda w: w.post(
        f"{BASE}/data-protection/edit", retention_days="7"
    ),
    Action.PBX_NUMBER_PLAN_CHANGED: lambda w: w.post(f"{BASE}/number-plan/edit", country="RO"),
    Action.PBX_REMOVED: lambda w: w.post(f"{BASE}/remove", slug="head-office"),
    Action.NUMBER_ERASED: lambda w: w.post(f"{BASE}/erase", number=NUMBER, confirmed="yes"),
    Action.TOKEN_ADDED: lambda w: w.post(f"{BASE}/tokens", status=200),
    Action.TOKEN_REVOKED: lambda w: w.post(f"{BASE}/tokens/{w.token_id}/revoke"),
    Action.CONNECTOR_ADDED: connect,
    Action.CONNECTOR_CHANGED: lambda w: change_connector(w, {}, {"username": "other"}),
    Action.CONNECTOR_DISABLED: lambda w: change_connector(w, {}, {**OFF, **KEPT}),
    Action.CONNECTOR_ENABLED: lambda w: change_connector(w, OFF, KEPT),
    Action.CONNECTOR_REMOVED: remove_connector,
    Action.EXTENSION_ADDED: lambda w: w.post(f"{BASE}/extensions/new", number="102", name="Bo"),
    Action.EXTENSION_RENAMED: lambda w: w.post(
        f"{BASE}/extensions/{w.extension_id}/rename", name="Eva"
    ),
    Action.EXTENSION_REMOVED: lambda w: w.post(f"{BASE}/extensions/{w.extension_id}/delete"),
    Action.SUGGESTION_ACCEPTED: lambda w: w.post(f"{BASE}/suggestions/add", only="201"),
    Action.SUGGESTION_DISMISSED: lambda w: w.post(f"{BASE}/suggestions/dismiss", only="202"),
    Action.HOOK_CREATED: lambda w: w.post(f"{ALL}/requests/new/hangup", **fields("http://a/")),
    Action.HOOK_CHANGED: lambda w: change_hook(w, note="for the CRM"),
    Action.HOOK_DISABLED: lambda w: w.post(f"{w.dialog}/active", active="no"),
    Action.HOOK_ENABLED: enable_hook,
    Action.HOOK_CLEARED: lambda w: w.post(f"{ALL}/clear", event_id=w.hook.event_id),
    Action.HELD_CANCELLED: cancel_held,
    Action.REMOVAL_UNDONE: undo,
    Action.HOOK_RESUMED: resume,
    Action.HOOK_SIGNING_CHANGED: lambda w: change_hook(w, signing="new"),
    Action.DELIVERY_SENT_AGAIN: lambda w: w.post(f"{BASE}/deliveries/{w.failed}/resend"),
    Action.DELIVERY_CANCELLED: lambda w: w.post(f"{BASE}/deliveries/{w.waiting}/cancel"),
    Action.TEST_EVENT_SENT: lambda w: w.post(
        f"{BASE}/test-event", extension="101", event="dial-in"
    ),
    Action.TEST_REQUEST_SENT: lambda w: w.post(
        f"{ALL}/test/hangup", status=200, **fields("http://127.0.0.1:9/")
    ),
    Action.RECEIVER_USERS_FETCHED: fetch_users,
    Action.SECRET_REVEALED: lambda w: w.get(w.dialog),
    Action.USER_INVITED: lambda w: w.post("/invitations/new", status=200, **OLGA),
    Action.USER_CHANGED: lambda w: w.post(f"{VIEWER}/edit", **OPERATOR),
    Action.USER_DISABLED: lambda w: w.post(f"{VIEWER}/disable"),
    Action.USER_ENABLED: enable_user,
    Action.USER_REMOVED: lambda w: w.post(f"{VIEWER}/remove"),
    Action.PASSWORD_RESET: lambda w: w.post(f"{VIEWER}/reset-password", status=200),
    Action.PASSWORD_CHANGED: lambda w: w.post(
        "/account/password", current=PASSWORD, new="another fine secret"
    ),
    Action.SECOND_FACTOR_CHANGED: turn_off_app,
    Action.SIGNED_OUT: lambda w: w.post("/sign-out"),
    Action.SIGN_IN_FAILED: fail_sign_in,
    Action.SESSION_ENDED: lambda w: w.post("/account/sessions/end-others"),
    Action.SIGNED_IN: sign_in_again,
    Action.APP_ALLOWED: allow_app,
    Action.API_TOKEN_ADDED: create_api_token,
    Action.API_TOKEN_REVOKED: revoke_api_token,
    Action.APP_ADDED: lambda w: w.post(f"{ACCESS}/apps/new", status=200, **APP),
    Action.APP_CHANGED: lambda w: w.post(f"{make_app(w)}/edit", name="Sync", scopes="uapi"),
    Action.APP_SECRET_CHANGED: lambda w: w.post(f"{make_app(w)}/secret", status=200),
    Action.APP_REMOVED: lambda w: w.post(f"{make_app(w)}/remove"),
    Action.APP_ACCESS_REVOKED: revoke_access,
    **changing_many.PAGES,
}
#: Only by the management API: see tests/api/v1/test_token_changes.py.
PROGRAMS = {Action.API_TOKEN_CHANGED}
SET = "pbx connector set head-office"
ADD_TOKEN = "tokens add Export --user viewer --scope hooks:read"
ASTERISK = f"{SET} --kind asterisk --host pbx --user u --secret s"
ADD_RECEIVER = "receivers add CRM --address https://crm/ --set-secret key=geheim"
ADD_APP = "apps add CRM --user admin --redirect-uri https://crm/"
#: Commands, by the action that is recorded for the last of them.
COMMANDS: dict[Action, tuple[str, ...]] = {
    Action.PBX_ADDED: ("pbx add Branch",),
    Action.PBX_FORMAT_CHANGED: ("pbx set head-office --format wazo",),
    Action.PBX_QUOTAS_CHANGED: ("pbx set head-office --max-requests 9",),
    Action.PBX_REMOVED: ("pbx remove head-office --yes --no-wait",),
    Action.NUMBER_ERASED: (f"erase --number {NUMBER} --yes",),
    Action.CONNECTOR_ADDED: (ASTERISK,),
    Action.CONNECTOR_CHANGED: (ASTERISK, f"{SET} --user v"),
    Action.CONNECTOR_DISABLED: (ASTERISK, f"{SET} --disabled"),
    Action.CONNECTOR_ENABLED: (f"{ASTERISK} --disabled", f"{SET} --enabled"),
    Action.CONNECTOR_REMOVED: (ASTERISK, "pbx connector remove head-office"),
    Action.EXTENSION_ADDED: ("extensions add head-office 102",),
    Action.HOOK_CREATED: ("hooks set head-office * hangup --url http://a/",),
    Action.HOOK_CHANGED: ("hooks set head-office * dial-in --url http://b/",),
    Action.HOOK_DISABLED: ("hooks disable HOOK",),
    Action.HOOK_ENABLED: ("hooks disable HOOK", "hooks enable HOOK"),
    Action.HOOK_CLEARED: ("hooks clear head-office *",),
    Action.HELD_CANCELLED: ("hooks disable HOOK --cancel",),
    Action.HOOK_RESUMED: ("hooks resume --all",),
    Action.HOOK_SIGNING_CHANGED: ("hooks rotate-secret HOOK",),
    Action.SECRET_REVEALED: ("hooks list --show-secrets",),
    Action.DELIVERY_SENT_AGAIN: ("deliveries resend FAILED",),
    Action.DELIVERY_CANCELLED: ("deliveries cancel --pbx head-office",),
    Action.RECEIVER_ADDED: (ADD_RECEIVER,),
    Action.RECEIVER_CHANGED: (ADD_RECEIVER, "receivers set crm --set-secret key=geheim-2"),
    Action.RECEIVER_REMOVED: (ADD_RECEIVER, "receivers remove crm"),
    Action.RECEIVER_USERS_CHANGED: (ADD_RECEIVER, "receivers users crm head-office --set 101=Bo"),
    Action.USER_ADDED: ("users add olga --password 'a very long geheim of olga'",),
    Action.USER_INVITED: ("users invite olga",),
    Action.USER_CHANGED: ("users roles viewer --set operator:head-office",),
    Action.USER_DISABLED: ("users disable viewer",),
    Action.USER_ENABLED: ("users disable viewer", "users enable viewer"),
    Action.USER_REMOVED: ("users remove viewer",),
    Action.PASSWORD_RESET: ("users reset-password viewer",),
    Action.SECOND_FACTOR_CHANGED: ("users reset-second-factor admin",),
    Action.API_TOKEN_ADDED: (ADD_TOKEN,),
    Action.API_TOKEN_REVOKED: (ADD_TOKEN, "tokens revoke API_TOKEN"),
    Action.EXPORT_MADE: ("audit export --pbx head-office",),
    Action.APP_ADDED: (ADD_APP,),
    Action.APP_SECRET_CHANGED: (ADD_APP, "apps rotate-secret CLIENT"),
    Action.APP_REMOVED: (ADD_APP, "apps remove CLIENT"),
    Action.KEYS_ROTATED: ("secrets rotate",),
    Action.DATA_PURGED: ("purge --older-than 300d",),
    **changing_many.COMMANDS,
}


@pytest.mark.parametrize("action", PAGES)
def test_pages(world: World, action: Action) -> None:
    """What a user does on a page is recorded with the user and the client's address."""
    before = len(entries())
    PAGES[action](world)
    found = [entry for entry in entries()[before:] if entry.action == action]
    # The first of several: a sign-out before is none of these.
    assert len(found) == 1, actions()[before:]
    [entry] = found
    name = "" if action is Action.SIGN_IN_FAILED else "admin"
    assert (entry.actor_kind, entry.actor_name, entry.address) == ("user", name, "127.0.0.1")
    assert entry.object_name
    assert "geheim" not in f"{entry.before} {entry.after}"


@pytest.mark.parametrize("action", COMMANDS)
def test_commands(world: World, action: Action) -> None:
    """A command is recorded with its name and the operating system's user."""
    if action is Action.HOOK_RESUMED:
        world.suspend()
    before = len(entries())
    for line in COMMANDS[action]:
        world.command(line)
    found = [entry for entry in entries()[before:] if entry.action == action]
    assert len(found) == 1, actions()[before:]
    [entry] = found
    assert (entry.actor_kind, entry.actor_name) == ("command", getpass.getuser())
    assert (entry.actor_id or "").split()[:2] == ["flask", line.split()[0]]
    assert "geheim" not in f"{entry.actor_id} {entry.before} {entry.after}"
    assert NUMBER not in f"{entry.actor_id} {entry.before} {entry.after}"


def test_processes(world: World) -> None:
    """A suspension is recorded with the worker and the reason."""
    world.suspend()
    [entry] = entries(action=Action.HOOK_SUSPENDED)
    assert (entry.actor_kind, entry.actor_name, entry.address) == ("system", "worker", "")
    assert entry.after == {"reason": "The receiver returned 410 Gone."}
    assert (entry.object_id, entry.pbx_id) == (world.hook.event_id, world.pbx.id)


def test_every_action_is_in_a_table() -> None:
    """No action can be added without a test that it is recorded."""
    assert {*PAGES, *COMMANDS, *PROGRAMS, Action.HOOK_SUSPENDED} == set(Action)
    assert all(action.label for action in Action)


def test_refused_changes_leave_no_entry(world: World) -> None:
    """What is refused or changes nothing is not recorded."""
    world.post(f"{BASE}/rename", name="Head office")
    before = len(entries())
    world.post(f"{BASE}/rename", status=422, name="")
    world.post(f"{ALL}/requests/new/hangup", status=422, **fields("no URL"))
    world.post(f"{BASE}/rename", name="Head office")
    change_hook(world)
    world.post(f"{world.dialog}/active", active="yes")
    world.run("deliveries", "cancel", "--pbx", "head-office", "--dry-run")
    world.run("hooks", "disable", "unknown")
    assert actions()[before:] == []


def test_of_many_deliveries_there_is_one_entry(world: World) -> None:
    """It has the filter and the number; none is made if nothing was changed."""
    world.post("/deliveries/cancel?pbx=head-office")
    world.post("/deliveries/cancel?pbx=head-office")
    [entry] = entries(action=Action.DELIVERY_CANCELLED)
    assert (entry.object_kind, entry.object_name) == ("deliveries", "1 delivery")
    assert entry.after == {"count": 1, "filter": {"pbx": "head-office", "state": "pending"}}


def test_requests_removed_with_their_extension_are_recorded(
    world: World, configure: Configure
) -> None:
    """Both entries are in the extension's history."""
    configure.hook("101", EventType.HANGUP, "http://a/")
    world.post(f"{BASE}/extensions/{world.extension_id}/delete")
    found = actions(extension_id=world.extension_id)
    assert found[-2:] == [Action.HOOK_CLEARED, Action.EXTENSION_REMOVED]


def test_entries_outlive_the_pbx(world: World) -> None:
    """Removing a PBX with all its data leaves its history."""
    before = actions(pbx_id=world.pbx.id)
    begin_write()
    db.session.delete(db.session.get_one(Pbx, world.pbx.id))
    db.session.commit()
    assert actions(pbx_id=1) == before != []
