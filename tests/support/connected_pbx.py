"""A PBX with a connected connector and discovered extensions, as a listener stores them."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from callevents.db.models import Connector, Pbx, utc_now
from callevents.db.session import begin_write
from callevents.enums import ConnectorKind, ConnectorState
from callevents.extensions import db
from callevents.pbxs import connectors, suggestions
from callevents.pbxs.connectors import ConnectorConfig
from callevents.pbxs.suggestions import Suggestion


def follow(pbx: Pbx, **values: object) -> Connector:
    """Give the PBX a connector that is connected, with these values."""
    begin_write()
    access = ConnectorConfig(
        kind=ConnectorKind.FREESWITCH, host="pbx.example", port=8021, secret="s"
    )
    connector = connectors.set_connector(pbx, access)
    connector.state, connector.connected_since = ConnectorState.CONNECTED, utc_now()
    connector.leader_until = utc_now() + timedelta(hours=1)
    for name, value in values.items():
        setattr(connector, name, value)
    db.session.commit()
    return connector


def know(pbx: Pbx, names: Mapping[str, str], at: datetime | None = None, realm: str = "") -> None:
    """Have the PBX list these numbers with their names."""
    begin_write()
    suffix = f"@{realm}" if realm else ""
    listed = [Suggestion(number, number + suffix, name) for number, name in names.items()]
    suggestions.store_listed(pbx, listed, at or utc_now())
    db.session.commit()
