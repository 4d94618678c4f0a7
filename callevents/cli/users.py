"""Commands for users."""

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

import click
from flask.cli import AppGroup

from callevents.cli.output import Values, handle_errors, json_option, print_list, print_result
from callevents.db.models import User
from callevents.db.session import begin_write
from callevents.enums import Role, UserState
from callevents.extensions import db
from callevents.users import invitations, lifecycle, users
from callevents.users.grants import describe_grant, parse_grant
from callevents.web.password_link import HandedOver, commit_and_hand_over
from callevents.web.public_url import find_kind

group = AppGroup("users", help="Add, invite and manage users.")

_role_option = click.option(
    "--role",
    "roles",
    multiple=True,
    default=[str(Role.VIEWER)],
    show_default="viewer",
    help="Such as admin, operator:office or self-service:office:101; without a PBX for all. "
    "Can be repeated.",
)
_email_option = click.option("--email", default="", help="For links of invitations and resets.")


@group.command("list")
@json_option
@handle_errors
def list_users(as_json: bool) -> None:
    """List the users with their roles, last sign-in and state."""
    rows = [_to_values(user) for user in users.list_users()]
    if not as_json:
        rows = [row | {"roles": ", ".join(row["roles"])} for row in rows]
    print_list(rows, dict, as_json)


@group.command("add")
@click.argument("username")
@_role_option
@_email_option
@click.option(
    "--password",
    prompt=True,
    hide_input=True,
    confirmation_prompt=True,
    envvar="CALLEVENTS_USER_PASSWORD",
    help="Prompted for if it is given neither here nor in CALLEVENTS_USER_PASSWORD.",
)
@json_option
@handle_errors
def add_user(username: str, roles: Iterable[str], email: str, password: str, as_json: bool) -> None:
    """Add a user with a password."""
    begin_write()
    user = users.add_user(username, password, *map(parse_grant, roles), email=email)
    db.session.commit()
    print_result(_to_values(user), f"Added user {user.username} ({_roles_text(user)}).", as_json)


@group.command("invite")
@click.argument("username")
@_role_option
@_email_option
@json_option
@handle_errors
def invite_user(username: str, roles: Iterable[str], email: str, as_json: bool) -> None:
    """Add a user who sets the password with a link: sent to --email, else printed once."""
    begin_write()
    user, token = invitations.invite_user(username, email, map(parse_grant, roles))
    _print_link(
        commit_and_hand_over(user, token),
        user,
        f"Invited {user.username} ({_roles_text(user)}).",
        as_json,
    )


@group.command("reset-password")
@click.argument("username")
@json_option
@handle_errors
def reset_password(username: str, as_json: bool) -> None:
    """Remove the password and make a link to set a new one; for an invited user, a new link."""
    begin_write()
    user = users.get_user(username)
    is_invited = user.state is UserState.INVITED
    token = invitations.reset_password(user)
    done = "New invitation for" if is_invited else "Reset the password of"
    _print_link(commit_and_hand_over(user, token), user, f"{done} {user.username}.", as_json)


@group.command("disable")
@click.argument("username")
@json_option
@handle_errors
def disable_user(username: str, as_json: bool) -> None:
    """Disable a user, who is signed out everywhere."""
    _change(username, lifecycle.disable_user, "Disabled user", as_json)


@group.command("enable")
@click.argument("username")
@json_option
@handle_errors
def enable_user(username: str, as_json: bool) -> None:
    """Enable a user."""
    _change(username, lifecycle.enable_user, "Enabled user", as_json)


@group.command("remove")
@click.argument("username")
@json_option
@handle_errors
def remove_user(username: str, as_json: bool) -> None:
    """Remove a user, who is signed out everywhere."""
    begin_write()
    user = users.get_user(username)
    values = _to_values(user)
    lifecycle.remove_user(user)
    db.session.commit()
    print_result(values, f"Removed user {values['username']}.", as_json)


@group.command("roles")
@click.argument("username")
@click.option(
    "--set",
    "roles",
    multiple=True,
    help="A role of the new ones, which replace all current ones. Can be repeated.",
)
@json_option
@handle_errors
def show_roles(username: str, roles: Iterable[str], as_json: bool) -> None:
    """Show the roles of a user, or set them."""
    user = users.get_user(username)
    if roles:
        begin_write()
        user = users.get_user(username)
        lifecycle.change_roles(user, map(parse_grant, roles))
        db.session.commit()
    values = _to_values(user)
    print_result(values, "\n".join(values["roles"]) or "No roles.", as_json)


def _change(username: str, change: Callable[[User], Any], done: str, as_json: bool) -> None:
    begin_write()
    user = users.get_user(username)
    change(user)
    db.session.commit()
    print_result(_to_values(user), f"{done} {user.username}.", as_json)


def _print_link(handed: HandedOver, user: User, done: str, as_json: bool) -> None:
    """Print the link, unless it was sent."""
    mail = handed.mail
    link = {"sent_to": mail.email, "link": None} if handed.is_sent else {"link": mail.url}
    values = _to_values(user) | {"sent_to": None, "problem": handed.problem or None} | link
    if handed.is_sent:
        text = f"{done} The link was sent to {mail.email}."
    else:
        text = f"{done} {handed.problem} Link, shown only once, valid for 48 hours:\n{mail.url}"
    print_result(values, text, as_json)
    if not handed.is_sent and find_kind(mail.url):
        click.echo(
            f"Replace {urlsplit(mail.url).netloc} in the link with the address of the pages. "
            "To have it filled in, set CALLEVENTS_PUBLIC_URL, such as https://calls.example.com.",
            err=True,
        )


def _to_values(user: User) -> Values:
    last = user.last_sign_in_at
    return {
        "username": user.username,
        "roles": [describe_grant(grant) for grant in user.grants],
        "last_sign_in_at": last.isoformat(timespec="milliseconds") if last else None,
        "state": user.state,
        "email": user.email,
    }


def _roles_text(user: User) -> str:
    """Return the roles in words: a role without a PBX is for all."""
    return ", ".join(
        describe_grant(grant) + ("" if grant.pbx else " of all PBXs") for grant in user.grants
    )
