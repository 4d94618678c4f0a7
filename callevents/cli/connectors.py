"""Commands for connectors: `flask pbx connector set|show|remove`."""

from typing import TypeVar

import click
from flask.cli import AppGroup

from callevents.cli.output import (
    Values,
    handle_errors,
    json_option,
    print_result,
    read_secret,
    to_text,
)
from callevents.db.models import Connector
from callevents.db.session import begin_write
from callevents.enums import ConnectorKind
from callevents.extensions import db
from callevents.pbxs import connectors, pbxs
from callevents.pbxs.connectors import ConnectorConfig

T = TypeVar("T")

group = AppGroup("connector", help="Configure connectors to PBXs.")


@group.command("set")
@click.argument("pbx")
@click.option(
    "--kind", type=click.Choice([kind.value for kind in ConnectorKind]), help="Type of the PBX."
)
@click.option("--host", help="Host name or address of the PBX.")
@click.option("--port", type=int, help="Default: 5038 for Asterisk, 8021 for FreeSWITCH.")
@click.option(
    "--user",
    help="Asterisk: the user in manager.conf. FreeSWITCH: none, or for example 101@domain.",
)
@click.option(
    "--secret",
    help="Password; - reads it from standard input, which keeps it out of the shell history.",
)
@click.option("--tls/--no-tls", default=None, help="Encrypt the connection, or not.")
@click.option("--enabled/--disabled", default=None, help="Let the listener connect, or not.")
@click.option("--domain", help="FreeSWITCH: only phones of this domain (tenant) count.")
@click.option("--pattern", help="Regular expression of numbers that are extensions too.")
@json_option
@handle_errors
def set_connector(
    pbx: str,
    kind: str | None,
    host: str | None,
    port: int | None,
    user: str | None,
    secret: str | None,
    tls: bool | None,
    enabled: bool | None,
    domain: str | None,
    pattern: str | None,
    as_json: bool,
) -> None:
    """Create or change a connector. Options that you omit keep their value."""
    begin_write()
    found = pbxs.get_pbx(pbx)
    old = connectors.find_connector(found)
    if kind is None and old is None:
        raise click.UsageError("Missing option --kind (asterisk or freeswitch).")
    new_kind = ConnectorKind(_choose(kind, old, "kind", ConnectorKind.ASTERISK))
    same_kind = old if old is not None and old.kind is new_kind else None
    access = ConnectorConfig(
        kind=new_kind,
        host=_choose(host, old, "host", ""),
        port=_choose(port, same_kind, "port", new_kind.port),
        username=_choose(user, old, "username", ""),
        secret=read_secret(secret) or "",
        uses_tls=_choose(tls, old, "uses_tls", default=False),
        enabled=_choose(enabled, old, "enabled", default=True),
        domain=_choose(domain, same_kind, "domain", ""),
        extension_pattern=_choose(pattern, old, "extension_pattern", ""),
    )
    connector = connectors.set_connector(found, access)
    db.session.commit()
    _print_connector(connector, as_json)


@group.command("show")
@click.argument("pbx")
@json_option
@handle_errors
def show_connector(pbx: str, as_json: bool) -> None:
    """Show a connector and its status."""
    _print_connector(connectors.get_connector(pbxs.get_pbx(pbx)), as_json)


@group.command("remove")
@click.argument("pbx")
@json_option
@handle_errors
def remove_connector(pbx: str, as_json: bool) -> None:
    """Remove a connector and its secret."""
    begin_write()
    found = pbxs.get_pbx(pbx)
    connectors.remove_connector(found)
    db.session.commit()
    print_result({"removed": found.slug}, f"Removed the connector of {found.name}.", as_json)


def _choose(value: T | None, connector: Connector | None, name: str, default: T) -> T:
    """Return the value if it is given, else the connector's current one, else the default."""
    if value is not None:
        return value
    current: T = default if connector is None else getattr(connector, name)
    return current


def _print_connector(connector: Connector, as_json: bool) -> None:
    values = _to_values(connector)
    text = "\n".join(f"{name}: {to_text(value)}" for name, value in values.items())
    print_result(values, text, as_json)


def _to_values(connector: Connector) -> Values:
    times = ("connected_since", "last_message_at", "last_error_at", "leader_until")
    names = ("kind", "host", "port", "username", "uses_tls", "enabled", "domain")
    status = ("extension_pattern", "state", "leader_name", "messages", "events", "skipped")
    more = ("dropped_legs", "unseen_legs", "waiting", "last_error")
    values: Values = {name: getattr(connector, name) for name in (*names, *status, *more)}
    for name in times:
        moment = getattr(connector, name)
        values[name] = moment.isoformat(timespec="milliseconds") if moment else None
    return values
