"""`flask apps add|list|rotate-secret|remove`."""

from collections.abc import Iterable

import click
from flask.cli import AppGroup

from callevents.api_access import apps
from callevents.api_access.scopes import ApiScope
from callevents.cli.limited_scopes import leave_out
from callevents.cli.output import Values, handle_errors, json_option, print_list, print_result
from callevents.db.models import OAuthApp
from callevents.db.session import begin_write
from callevents.extensions import db
from callevents.pbxs import pbxs
from callevents.users import users

group = AppGroup("apps", help="Add and remove the apps that get tokens with OAuth 2.0.")


@group.command("add")
@click.argument("name")
@click.option("--user", required=True, help="The owner, for whom the app acts.")
@click.option("--pbx", help="The only PBX that the app can use; without it all of its users'.")
@click.option(
    "--redirect-uri",
    "redirect_uris",
    multiple=True,
    help="Where users go on after they allowed the app. Can be repeated.",
)
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    default=[str(ApiScope.UAPI)],
    show_default="uapi",
    help="What its tokens may be used for. Can be repeated.",
)
@json_option
@handle_errors
def add_app(
    name: str,
    user: str,
    pbx: str | None,
    redirect_uris: Iterable[str],
    scopes: Iterable[str],
    as_json: bool,
) -> None:
    """Add an app; print its client ID, and its secret only once."""
    begin_write()
    owner = users.get_user(user)
    only = pbxs.get_pbx(pbx) if pbx is not None else None
    kept = leave_out(scopes, only)
    app, secret = apps.add_app(owner, name, pbx=only, scopes=kept, redirect_uris=redirect_uris)
    db.session.commit()
    _print_secret(app, secret, f"Added the app {app.name} of {owner.username}.", as_json)


@group.command("list")
@json_option
@handle_errors
def list_apps(as_json: bool) -> None:
    """List the apps and their last use."""
    rows = [_to_values(app) for app in apps.list_apps()]
    if not as_json:
        rows = [_to_row(row) for row in rows]
    print_list(rows, dict, as_json)


@group.command("rotate-secret")
@click.argument("client_id", metavar="ID")
@json_option
@handle_errors
def rotate_secret(client_id: str, as_json: bool) -> None:
    """Replace an app's secret; print the new one only once.

    The old secret is invalid at once, and so are the tokens with which the app acts for its owner.
    """
    begin_write()
    app = apps.get_app(client_id)
    secret = apps.rotate_secret(app)
    db.session.commit()
    _print_secret(app, secret, f"Replaced the secret of the app {app.name}.", as_json)


@group.command("remove")
@click.argument("client_id", metavar="ID")
@json_option
@handle_errors
def remove_app(client_id: str, as_json: bool) -> None:
    """Remove an app. All its tokens are invalid at once."""
    begin_write()
    app = apps.get_app(client_id)
    name = app.name
    apps.remove_app(app)
    db.session.commit()
    print_result({"removed": client_id}, f"Removed the app {name}.", as_json)


def _print_secret(app: OAuthApp, secret: str, done: str, as_json: bool) -> None:
    values = _to_values(app) | {"client_secret": secret}
    text = f"{done}\nclient_id: {app.id}\nclient_secret, shown only once: {secret}"
    print_result(values, text, as_json)


def _to_values(app: OAuthApp) -> Values:
    used = app.last_used_at
    return {
        "client_id": app.id,
        "name": app.name,
        "owner": app.user.username,
        "pbx": app.pbx.slug if app.pbx else None,
        "scopes": app.scopes.split(),
        "redirect_uris": list(app.redirect_uris),
        "created_at": app.created_at.isoformat(timespec="milliseconds"),
        "last_used_at": used.isoformat(timespec="milliseconds") if used else None,
        "last_used_address": app.last_used_address,
    }


def _to_row(values: Values) -> Values:
    joined = {name: ", ".join(values[name]) for name in ("scopes", "redirect_uris")}
    return values | joined
