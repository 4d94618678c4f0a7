"""The connector of a PBX: get, set, remove."""

from callevents.api.v1.call import Call
from callevents.api.v1.connector_models import Connector, ConnectorSettings, ConnectorState
from callevents.api.v1.models import NoQuery
from callevents.api.v1.operations import Created, operation
from callevents.api.v1.pbx_lookup import lock_pbx_of, read_pbx
from callevents.api.v1.problems import ProblemType, not_found
from callevents.api_access.scopes import ApiScope
from callevents.db import models
from callevents.enums import Right
from callevents.pbxs import connectors

TAG = "Connectors"
PATH = "/pbxs/{slug}/connector"
EXAMPLE = {
    "kind": "asterisk",
    "host": "pbx.example.com",
    "port": 5038,
    "username": "callevents",
    "has_secret": True,
    "uses_tls": False,
    "enabled": True,
    "domain": "",
    "extension_pattern": "",
    "modified_at": "2026-03-01T09:30:00.000Z",
}


@operation(
    "GET",
    PATH,
    scope=ApiScope.PBXS_READ,
    summary="Get the connector of a PBX",
    tag=TAG,
    answer=Connector,
    has_etag=True,
    answer_example=EXAMPLE,
)
def get_connector(call: Call[NoQuery, None], slug: str) -> Connector:
    """Return the settings of the connector, without its secret; 404 if the PBX has none."""
    return Connector.of(_get(read_pbx(call, slug)))


@operation(
    "GET",
    PATH + "/state",
    scope=ApiScope.PBXS_READ,
    summary="Get the state of a connector",
    tag=TAG,
    answer=ConnectorState,
    answer_example={
        "status": "connected",
        "listener": "server-1:4711",
        "connected_since": "2026-03-01T09:30:01.000Z",
        "last_message_at": "2026-03-02T14:05:10.250Z",
        "messages": 52214,
        "events": 1893,
        "waiting": 0,
        "skipped": 0,
        "dropped_legs": 0,
        "unseen_legs": 0,
        "listed": 48,
        "listed_at": "2026-03-01T09:30:02.000Z",
        "list_notice": "",
        "last_error": "",
        "last_error_at": None,
    },
)
def get_connector_state(call: Call[NoQuery, None], slug: str) -> ConnectorState:
    """Return whether the connector is connected, and what it has received so far."""
    return ConnectorState.of(_get(read_pbx(call, slug)))


@operation(
    "PUT",
    PATH,
    scope=ApiScope.PBXS_WRITE,
    summary="Set the connector of a PBX",
    tag=TAG,
    body=ConnectorSettings,
    answer=Connector,
    has_etag=True,
    may_create=True,
    problems=frozenset({ProblemType.CONFLICT, ProblemType.PRECONDITION_FAILED}),
    body_example={
        "kind": "asterisk",
        "host": "pbx.example.com",
        "username": "callevents",
        "secret": "correct horse battery staple",
    },
    answer_example=EXAMPLE,
)
def set_connector(call: Call[NoQuery, ConnectorSettings], slug: str) -> Connector | Created:
    """Create the connector, or replace its settings; a listener connects with them at once.

    Settings that are left out get their default, apart from the secret, which stays. The operator
    may limit the networks that connectors reach; a host elsewhere is stored, and its state says
    why it is not connected.
    """
    pbx = lock_pbx_of(call, slug, Right.MANAGE)
    current = connectors.find_connector(pbx)
    call.check_match(None if current is None else Connector.of(current))
    answer = Connector.of(connectors.set_connector(pbx, call.body.to_config()))
    return answer if current else Created(answer, f"/pbxs/{pbx.slug}/connector")


@operation(
    "DELETE",
    PATH,
    scope=ApiScope.PBXS_WRITE,
    summary="Remove the connector of a PBX",
    tag=TAG,
    status=204,
    has_etag=True,
    problems=frozenset({ProblemType.PRECONDITION_FAILED}),
)
def delete_connector(call: Call[NoQuery, None], slug: str) -> None:
    """Remove the connector with its secret. The listener disconnects."""
    pbx = lock_pbx_of(call, slug, Right.MANAGE)
    call.check_match(Connector.of(_get(pbx)))
    connectors.remove_connector(pbx)


def _get(pbx: models.Pbx) -> models.Connector:
    connector = connectors.find_connector(pbx)
    if connector is None:
        raise not_found("connector")
    return connector
