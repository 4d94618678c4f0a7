"""Commands for users."""

import click
from flask.cli import AppGroup

from callevents.cli.output import handle_errors, json_option, print_result
from callevents.db.session import begin_write
from callevents.enums import Role
from callevents.extensions import db
from callevents.users import users

group = AppGroup("users", help="Add users, reset their second factor.")


@group.command("add")
@click.argument("username")
@click.option(
    "--role",
    type=click.Choice(list(map(str, Role))),
    default=str(Role.VIEWER),
    show_default=True,
    help="Permissions of the user.",
)
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
def add_user(username: str, role: Role, password: str, as_json: bool) -> None:
    """Add a user."""
    begin_write()
    user = users.add_user(username, password, Role(role))
    db.session.commit()
    values = {"username": user.username, "role": user.role}
    print_result(values, f"Added user {user.username} ({user.role}).", as_json)
