"""Two PBXs and a user for each row of the table of rights."""

from dataclasses import dataclass

import pytest
from flask import Flask

from callevents.api_access.api_tokens import add_api_token
from callevents.api_access.apps import add_app
from callevents.db.models import Delivery, Extension, Pbx
from callevents.db.session import begin_write
from callevents.enums import ConnectorKind, EventType, Method, Role
from callevents.extensions import db
from callevents.hooks import hooks
from callevents.hooks.hooks import HookData
from callevents.ingest.accept import accept
from callevents.ingest.report import Report
from callevents.pbxs import connectors, extensions, groups, pbxs, tokens
from callevents.pbxs.connectors import ConnectorConfig
from callevents.pbxs.groups import GroupData
from callevents.receivers.making import make_receiver
from callevents.receivers.receivers import create_receiver
from callevents.receivers.recipe_files import get_recipe
from callevents.users import users
from callevents.users.grants import NewGrant, set_grants
from tests.web.conftest import PASSWORD
from tests.web.route_access import ALL, FOREIGN, MAY, OTHER, OWN

CONNECTOR = ConnectorConfig(
    kind=ConnectorKind.ASTERISK, host="pbx", port=5038, username="events", secret="s"
)


@dataclass(frozen=True)
class Site:
    """Two PBXs with a request, an event and a delivery at each place."""

    values: dict[str, dict[str, str]]


@pytest.fixture
def site(app: Flask) -> Site:
    """Two PBXs, and a user for each row of MAY."""
    begin_write()
    here, elsewhere = pbxs.add_pbx("Here")[0], pbxs.add_pbx("Elsewhere")[0]
    own = extensions.add_extension(here, "101")
    other = extensions.add_extension(here, "102")
    foreign = extensions.add_extension(elsewhere, "101")
    values = {
        OWN: _fill(here, own),
        OTHER: _fill(here, other),
        ALL: _fill(here, None),
        FOREIGN: _fill(elsewhere, foreign),
    }
    for pbx, place in ((here, ALL), (elsewhere, FOREIGN)):
        connectors.set_connector(pbx, CONNECTOR)
        group = groups.add_group(pbx, GroupData("Sales"))
        values[place]["group_id"] = str(group.id)
    grants = {
        "admin": NewGrant(Role.ADMIN),
        "viewer": NewGrant(Role.VIEWER),
        "admin-here": NewGrant(Role.ADMIN, here),
        "operator-here": NewGrant(Role.OPERATOR, here),
        "viewer-here": NewGrant(Role.VIEWER, here),
        "owner": NewGrant(Role.SELF_SERVICE, here, own),
    }
    for name in MAY:
        user = users.add_user(name, PASSWORD, Role.VIEWER)
        user.grants = []
        if name in grants:
            set_grants(user, [grants[name]])
    values[ALL] |= _add_access()
    for known in values.values():
        known |= {"name": "alarms", "recipe_name": "zammad"}
    answers = {"address": "https://help.example.com", "token": "cti-token"}
    create_receiver(make_receiver(get_recipe("zammad"), answers, "Alarms"))
    db.session.commit()
    return Site(values)


def _add_access() -> dict[str, str]:
    """Add an API token and an app of a user who is in no row; return the values of routes."""
    user = users.add_user("developer", PASSWORD, Role.VIEWER)
    token, _ = add_api_token(user, "Export", ["hooks:read"])
    app, _ = add_app(user, "CRM")
    return {"api_token_id": token.id, "app_id": app.id}


def _fill(pbx: Pbx, extension: Extension | None) -> dict[str, str]:
    """Add a request with a delivery; return the values of routes."""
    data = HookData(url="https://crm.example.com/", method=Method.GET, active=True, note="")
    event_type = EventType.DIAL_IN if extension else EventType.HANGUP
    hook = hooks.create_hook(pbx, extension, event_type, data)
    number = extension.number if extension else "999"
    [accepted] = accept(pbx, [Report(event_type=event_type, extension=number, call_id=number)])
    delivery = db.session.query(Delivery).filter_by(hook_id=hook.id).one()
    return {
        "slug": pbx.slug,
        "place": extension.id if extension else "all",
        "extension_id": extension.id if extension else "",
        "hook": hook.event_id,
        "event": accepted.id,
        "delivery_id": delivery.id,
        "token_id": tokens.list_tokens(pbx)[0].public_id,
        "event_type": event_type.slug,
        "call": number,
    }
