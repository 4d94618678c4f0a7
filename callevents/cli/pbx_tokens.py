"""`flask pbx token add|list|revoke`."""

import click
from flask.cli import AppGroup

from callevents.cli.output import Values, handle_errors, json_option, print_list, print_result
from callevents.db.models import IngestToken
from callevents.db.session import begin_write
from callevents.extensions import db
from callevents.pbxs import pbxs, tokens

group = AppGroup("token", help="Create, list and revoke the ingest tokens of a PBX.")


@group.command("add")
@click.argument("pbx")
@json_option
@handle_errors
def add_token(pbx: str, as_json: bool) -> None:
    """Create a token and print it, only once. A PBX has at most two."""
    begin_write()
    found = pbxs.get_pbx(pbx)
    token = tokens.add_token(found)
    created = tokens.list_tokens(found)[-1]
    db.session.commit()
    text = f"New token of {found.name}, shown only once:\n{token}"
    print_result({**_to_values(created), "token": token}, text, as_json)


@group.command("list")
@click.argument("pbx")
@json_option
@handle_errors
def list_tokens(pbx: str, as_json: bool) -> None:
    """List the valid tokens, and when and from where each was last used."""
    print_list(tokens.list_tokens(pbxs.get_pbx(pbx)), _to_values, as_json)


@group.command("revoke")
@click.argument("pbx")
@click.argument("token")
@json_option
@handle_errors
def revoke_token(pbx: str, token: str, as_json: bool) -> None:
    """Revoke a token, named by its ID or its beginning as `list` prints them."""
    begin_write()
    found = pbxs.get_pbx(pbx)
    revoked = tokens.find_token(found, token)
    values = _to_values(revoked)
    tokens.revoke_token(found, revoked.public_id)
    db.session.commit()
    text = f"Revoked the token {values['begins_with']} of {found.name}."
    print_result({"revoked": values["id"]}, text, as_json)


def _to_values(token: IngestToken) -> Values:
    used = token.last_used_at
    return {
        "id": token.public_id,
        "begins_with": token.hint,
        "created_at": token.created_at.isoformat(timespec="milliseconds"),
        "last_used_at": used.isoformat(timespec="milliseconds") if used else None,
        "last_used_address": token.last_used_address,
    }
