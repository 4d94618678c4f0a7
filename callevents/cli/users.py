"""The commands about people."""

import click
from flask.cli import AppGroup

from callevents import users
from callevents.cli.output import json_option, print_answer, reports_errors
from callevents.db.session import begin_write
from callevents.enums import Role
from callevents.extensions import db

group = AppGroup("users", help="People who may sign in.")


@group.command("add")
@click.argument("username")
@click.option(
    "--role", type=click.Choice(list(map(str, Role))), default=str(Role.VIEWER), show_default=True
)
@click.option(
    "--password",
    prompt=True,
    hide_input=True,
    confirmation_prompt=True,
    envvar="CALLEVENTS_USER_PASSWORD",
    help="Asked for if it is not given, here or in CALLEVENTS_USER_PASSWORD.",
)
@json_option
@reports_errors
def add_user(username: str, role: Role, password: str, as_json: bool) -> None:
    """Add somebody who may sign in."""
    begin_write()
    user = users.add_user(username, password, Role(role))
    db.session.commit()
    values = {"username": user.username, "role": user.role}
    print_answer(values, f"{user.username} may sign in as {user.role}.", as_json)
