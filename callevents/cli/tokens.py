"""`flask tokens add|list|revoke`."""

from collections.abc import Iterable

import click
from flask.cli import AppGroup

from callevents.api_access import api_tokens
from callevents.cli.limited_scopes import leave_out
from callevents.cli.output import (
    Values,
    handle_errors,
    json_option,
    parse_duration,
    print_list,
    print_result,
)
from callevents.db.models import ApiToken, utc_now
from callevents.db.session import begin_write
from callevents.extensions import db
from callevents.pbxs import pbxs
from callevents.users import users

#: The columns without --json, which has more.
COLUMNS = ("begins_with", "name", "user", "pbx", "expires_at", "last_used_at", "scopes")

group = AppGroup("tokens", help="Create, list and revoke API tokens.")


@group.command("add")
@click.argument("name")
@click.option("--user", "username", required=True, help="The owner.")
@click.option(
    "--scope", "scopes", multiple=True, required=True, help="Such as hooks:read. Can be repeated."
)
@click.option("--pbx", help="Limit the token to this PBX.")
@click.option("--expires", help="Such as 90d, from now. Default: never.")
@json_option
@handle_errors
def add_token(
    name: str,
    username: str,
    scopes: Iterable[str],
    pbx: str | None,
    expires: str | None,
    as_json: bool,
) -> None:
    """Create an API token and print it, only once. It may never do more than its owner."""
    lifetime = parse_duration(expires) if expires else None
    begin_write()
    only = pbxs.get_pbx(pbx) if pbx else None
    token, text = api_tokens.add_api_token(
        users.get_user(username),
        name,
        leave_out(scopes, only),
        pbx=only,
        expires_at=utc_now() + lifetime if lifetime is not None else None,
    )
    values = _to_values(token) | {"token": text}
    db.session.commit()
    done = f"New API token {values['name']} of {values['user']}, shown only once:\n{text}"
    print_result(values, done, as_json)


@group.command("list")
@click.option("--user", "username", help="Only those of this user.")
@json_option
@handle_errors
def list_tokens(username: str | None, as_json: bool) -> None:
    """List API tokens and their last use, newest first."""
    user = users.get_user(username) if username else None
    found = api_tokens.list_api_tokens(user)
    print_list(found, _to_values if as_json else _to_row, as_json)


@group.command("revoke")
@click.argument("token")
@json_option
@handle_errors
def revoke_token(token: str, as_json: bool) -> None:
    """Revoke an API token. TOKEN is its ID or its beginning, as `list` prints them."""
    begin_write()
    found = api_tokens.get_api_token(token)
    values = _to_values(found)
    api_tokens.revoke_api_token(found)
    db.session.commit()
    text = f"Revoked the API token {values['name']} of {values['user']}."
    print_result({"revoked": values["id"]}, text, as_json)


def _to_values(token: ApiToken) -> Values:
    moments = {
        "created_at": token.created_at,
        "expires_at": token.expires_at,
        "last_used_at": token.last_used_at,
    }
    return {
        "id": token.id,
        "begins_with": token.hint,
        "name": token.name,
        "user": token.user.username,
        "pbx": token.pbx.slug if token.pbx else None,
        "scopes": token.scopes.split(),
        **{
            name: at.isoformat(timespec="milliseconds") if at else None
            for name, at in moments.items()
        },
        "last_used_address": token.last_used_address,
        "expired": token.is_expired,
    }


def _to_row(token: ApiToken) -> Values:
    values = _to_values(token) | {"scopes": token.scopes}
    return {name: values[name] for name in COLUMNS}
