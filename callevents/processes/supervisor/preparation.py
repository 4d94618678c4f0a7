"""Prepares the first start: creates the tables and the first admin."""

import secrets

import click

from callevents.config import PREFIX
from callevents.config.settings import Settings
from callevents.db import schema
from callevents.db.session import begin_write
from callevents.enums import Role
from callevents.errors import InvalidError, StartError
from callevents.extensions import MakeApp, db
from callevents.users import users

#: Without similar looking letters and digits.
PASSWORD_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"  # noqa: S105  # no password
PASSWORD_GROUPS = 4
PASSWORD_GROUP_LENGTH = 5


def prepare(settings: Settings, make_app: MakeApp) -> None:
    """Migrate the database and add the first admin; raises CallEventsError."""
    app = make_app(settings)
    schema.upgrade(app)
    with app.app_context():
        _add_first_admin(settings)
        # The child processes must not inherit connections.
        db.engine.dispose()


def _add_first_admin(settings: Settings) -> None:
    """Add an admin if there is no user; print the username, and a generated password once."""
    begin_write()
    if users.has_users():
        return
    password = settings.admin_password or _new_password()
    try:
        user = users.add_user(settings.admin_username, password, Role.ADMIN)
    except InvalidError as error:
        [name] = error.errors
        raise StartError(f"Invalid setting {PREFIX}ADMIN_{name.upper()}: {error}") from None
    db.session.commit()
    if settings.admin_password:
        # Under systemd, what is printed is in the journal.
        click.echo(
            f"The first admin is {user.username}, with the password of {PREFIX}ADMIN_PASSWORD."
        )
    else:
        click.echo("Created the first admin. The password is shown only once.")
        click.echo(f"Username: {user.username}\nPassword: {password}")


def _new_password() -> str:
    """Return a random password of about 100 bits that is easy to type."""
    return "-".join(
        "".join(secrets.choice(PASSWORD_ALPHABET) for _ in range(PASSWORD_GROUP_LENGTH))
        for _ in range(PASSWORD_GROUPS)
    )
