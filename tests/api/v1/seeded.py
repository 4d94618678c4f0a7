"""An installation with an object for each path of the API, and a request for each operation."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from callevents.api.v1.operations import Operation
from callevents.api_access.api_tokens import add_api_token
from callevents.api_access.apps import add_app
from callevents.api_access.scopes import V1_SCOPES
from callevents.db.models import AuditEntry, Delivery, Hook, Pbx, utc_now
from callevents.db.session import begin_write, write_transaction
from callevents.delivery.suspend import suspend
from callevents.enums import ConnectorKind, DeliveryState, EventType, Method, Role
from callevents.extensions import db
from callevents.hooks import hooks
from callevents.hooks.bulk.apply import apply
from callevents.hooks.bulk.changes import SetPolicy
from callevents.hooks.hooks import HookData
from callevents.hooks.selection import Selection
from callevents.pbxs import connectors, extensions, groups, pbxs, tokens
from callevents.pbxs.connectors import ConnectorConfig
from callevents.pbxs.groups import GroupData
from callevents.receivers.making import make_receiver
from callevents.receivers.receivers import create_receiver
from callevents.receivers.recipe_files import get_recipe
from callevents.users import invitations, users
from callevents.users.grants import NewGrant
from tests.support.aged_events import AddEvents
from tests.support.receiver import Arrival, Reply

PASSWORD = "a password for tests"
#: Bodies of operations whose example is about something that is there already, or is over.
BODIES: Mapping[str, Any] = {
    "createPbx": {"name": "Warehouse", "max_extensions": 250},
    "createUser": {
        "username": "maria",
        "email": "maria@example.com",
        "roles": [{"role": "viewer"}],
    },
    "createApiToken": {"name": "CRM import", "scopes": ["hooks:read"], "pbx": "head-office"},
}


#: The receiver lists its users below this path.
REST = "/rest/1/abc123"


@dataclass
class Seeded:
    """What to send for each operation."""

    #: Values of parameters in paths; `of` has those that suit one operation only.
    values: dict[str, str]
    of: dict[str, dict[str, str]] = field(default_factory=dict)

    def path(self, one: Operation) -> str:
        """Return the path of something that the operation works for."""
        return one.path.format(**{**self.values, **self.of.get(one.id, {})})

    def body(self, one: Operation) -> Any:
        """Return a body that the operation takes; None if it takes none."""
        return BODIES.get(one.id, one.body_example)


def seed(receiver_url: str) -> Seeded:
    """Fill the empty database."""
    begin_write()
    pbx, _ = pbxs.add_pbx("Head office")
    branch, _ = pbxs.add_pbx("Branch")
    extension = extensions.add_extension(pbx, "101", "Reception")
    extensions.add_extension(branch, "101", "")
    group = groups.add_group(pbx, GroupData("Support", "1..", template=extension))
    (token,) = tokens.list_tokens(pbx)
    connectors.set_connector(
        pbx,
        ConnectorConfig(
            kind=ConnectorKind.ASTERISK, host="pbx", port=5038, username="events", secret="s"
        ),
    )
    data = HookData(url=f"{receiver_url}/calls", method=Method.POST, active=True, note="")
    hook = hooks.create_hook(pbx, extension, EventType.DIAL_IN, data)
    suspended = hooks.create_hook(pbx, extension, EventType.HANGUP, data)
    answers = {"url": f"{receiver_url}/crm"}
    crm = create_receiver(make_receiver(get_recipe("call-log"), answers, "CRM", pbx.id))
    bitrix24 = {"url": f"{receiver_url}{REST}"}
    lists_users = create_receiver(
        make_receiver(get_recipe("bitrix24"), bitrix24, "Bitrix24", pbx.id)
    )
    users.add_user("ben", PASSWORD, NewGrant(Role.OPERATOR, pbx), email="ben@example.com")
    invitations.invite_user("olga", "olga@example.com", [NewGrant(Role.VIEWER)])
    owner = users.get_user("ben")
    api_token, _ = add_api_token(owner, "CRM import", V1_SCOPES)
    app, _ = add_app(owner, "Portal", redirect_uris=["https://portal.example.com/oauth"])
    values = {
        "slug": pbx.slug,
        "extension_id": extension.id,
        "ingest_token_id": token.public_id,
        "group_id": str(group.id),
        "event_id": hook.event_id,
        "receiver": crm.slug,
        "recipe": "call-log",
        "username": "ben",
        "token_id": api_token.id,
        "client_id": app.id,
        "number": "1",
    }
    db.session.commit()
    _suspend(suspended)
    values |= _add_deliveries(pbx, hook)
    values["change_id"] = _change_policy(hook)
    # Some entries are of the whole installation.
    of_pbx = select(AuditEntry.id).where(AuditEntry.pbx_id == pbx.id).order_by(AuditEntry.id)
    values["entry_id"] = db.session.scalars(of_pbx.limit(1)).one()
    of = {
        "resumeHook": {"event_id": suspended.event_id},
        "createInvitation": {"username": "olga"},
        "fetchReceiverUsers": {"receiver": lists_users.slug},
        "cancelDelivery": {"delivery_id": values.pop("pending_id")},
        "resendDelivery": {"delivery_id": values.pop("failed_id")},
    }
    db.session.rollback()
    return Seeded(values, of)


def list_users(arrival: Arrival) -> Reply:
    """Answer as a receiver that lists its users."""
    if arrival.path != f"{REST}/user.get.json":
        return Reply()
    return Reply(body=json.dumps({"result": [{"UF_PHONE_INNER": "101", "ID": "7"}]}).encode())


def _suspend(hook: Hook) -> None:
    hook_id = hook.id
    db.session.rollback()
    with write_transaction(db.engine) as connection:
        suspend(connection, hook_id, "The receiver returned 410 Gone.", utc_now())


def _change_policy(hook: Hook) -> str:
    """Change the hook as one of many; return the ID of the change."""
    begin_write()
    chosen = Selection(event_ids=[hook.event_id])
    done = apply(chosen, SetPolicy(in_order=False))
    db.session.commit()
    return done.id


def _add_deliveries(pbx: Pbx, hook: Hook) -> dict[str, str]:
    add = AddEvents(pbx, hook)
    (event_id,) = add(attempts=2)
    (pending,) = add(state=DeliveryState.PENDING, attempts=0)
    (failed,) = add(state=DeliveryState.FAILED)
    return {
        "call_event_id": event_id,
        "delivery_id": _delivery_of(event_id),
        "pending_id": _delivery_of(pending),
        "failed_id": _delivery_of(failed),
    }


def _delivery_of(call_event_id: str) -> str:
    query = select(Delivery.id).where(Delivery.call_event_id == call_event_id)
    return db.session.scalars(query).one()
