"""The command that resets a user's second factor."""

import click

from callevents.cli.output import handle_errors, json_option, print_result
from callevents.db.session import begin_write
from callevents.errors import NotFoundError
from callevents.extensions import db
from callevents.users import sessions, users
from callevents.users.second_factor import second_factor


@click.command("reset-second-factor")
@click.argument("username")
@json_option
@handle_errors
def reset(username: str, as_json: bool) -> None:
    """Remove a user's app, recovery codes and passkeys, and end the user's sessions.

    For a user who has lost the phone and the recovery codes. Afterwards the password is enough,
    unless the role requires a second factor: then the user sets up a new one.
    """
    begin_write()
    user = users.find_user(users.normalize_username(username))
    if user is None:
        raise NotFoundError(f"There is no user named {username!r}.")
    second_factor.reset(user)
    sessions.end_sessions(user)
    db.session.commit()
    text = f"Reset the second factor of {user.username} and ended the user's sessions."
    print_result({"username": user.username}, text, as_json)
