"""The commands about connectors: `flask pbx connector set|show|remove`."""

from typing import TypeVar

import click
from flask.cli import AppGroup

from callevents.cli.output import Values, json_option, print_answer, read_secret, reports_errors
from callevents.db.models import Connector
from callevents.db.session import begin_write
from callevents.enums import ConnectorKind
from callevents.extensions import db
from callevents.pbxs import connectors, pbxs
from callevents.pbxs.connectors import ConnectorConfig

T = TypeVar("T")

group = AppGroup("connector", help="How we listen to a PBX's own stream of messages.")


@group.command("set")
@click.argument("pbx")
@click.option("--kind", type=click.Choice([kind.value for kind in ConnectorKind]))
@click.option("--host", help="Host name or address of the PBX.")
@click.option("--port", type=int, help="By default 5038 of Asterisk, 8021 of FreeSWITCH.")
@click.option("--user", help="Of Asterisk: the user's name in manager.conf.")
@click.option("--secret", help="The secret; - reads it from the input, which leaves no trace.")
@click.option("--tls/--no-tls", default=None, help="Whether the connection is encrypted.")
@click.option("--enabled/--disabled", default=None, help="Whether a listener connects.")
@click.option("--pattern", help="Regular expression of what counts as an extension as well.")
@json_option
@reports_errors
def set_connector(
    pbx: str,
    kind: str | None,
    host: str | None,
    port: int | None,
    user: str | None,
    secret: str | None,
    tls: bool | None,
    enabled: bool | None,
    pattern: str | None,
    as_json: bool,
) -> None:
    """Set the connector of PBX; what is not given stays as it is."""
    begin_write()
    found = pbxs.get_pbx(pbx)
    old = connectors.find_connector(found)
    if kind is None and old is None:
        raise click.UsageError("Say whose stream it is: --kind asterisk or --kind freeswitch.")
    new_kind = ConnectorKind(kind) if kind else _kept(old, "kind", ConnectorKind.ASTERISK)
    is_same_kind = old is not None and old.kind is new_kind
    access = ConnectorConfig(
        kind=new_kind,
        host=_given(host, _kept(old, "host", "")),
        port=_given(port, _kept(old if is_same_kind else None, "port", new_kind.port)),
        username=_given(user, _kept(old, "username", "")),
        secret=read_secret(secret) or "",
        uses_tls=_given(tls, _kept(old, "uses_tls", False)),
        enabled=_given(enabled, _kept(old, "enabled", True)),
        extension_pattern=_given(pattern, _kept(old, "extension_pattern", "")),
    )
    connector = connectors.set_connector(found, access)
    db.session.commit()
    _print(connector, as_json)


@group.command("show")
@click.argument("pbx")
@json_option
@reports_errors
def show_connector(pbx: str, as_json: bool) -> None:
    """Show the connector of PBX and how it fares; never its secret."""
    _print(connectors.get_connector(pbxs.get_pbx(pbx)), as_json)


@group.command("remove")
@click.argument("pbx")
@json_option
@reports_errors
def remove_connector(pbx: str, as_json: bool) -> None:
    """Listen to PBX no longer, and forget its secret."""
    begin_write()
    found = pbxs.get_pbx(pbx)
    connectors.remove_connector(found)
    db.session.commit()
    print_answer({"removed": found.slug}, f"{found.name} has no connector any more.", as_json)


def _given(value: T | None, kept: T) -> T:
    return kept if value is None else value


def _kept(connector: Connector | None, name: str, default: T) -> T:
    found: T = default if connector is None else getattr(connector, name)
    return found


def _print(connector: Connector, as_json: bool) -> None:
    values = _values(connector)
    text = "\n".join(f"{name}: {'' if value is None else value}" for name, value in values.items())
    print_answer(values, text, as_json)


def _values(connector: Connector) -> Values:
    times = ("connected_since", "last_message_at", "last_error_at", "leader_until")
    names = ("kind", "host", "port", "username", "uses_tls", "enabled", "extension_pattern")
    status = ("state", "leader_name", "messages", "events", "skipped", "dropped_legs", "waiting")
    values: Values = {name: getattr(connector, name) for name in (*names, *status, "last_error")}
    for name in times:
        moment = getattr(connector, name)
        values[name] = moment.isoformat(timespec="milliseconds") if moment else None
    return values
