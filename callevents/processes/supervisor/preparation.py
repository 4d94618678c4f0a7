"""What has to be there before the processes start: the tables, and somebody who can sign in."""

import secrets

import click

from callevents import users
from callevents.config.settings import Settings
from callevents.db import schema
from callevents.db.session import begin_write
from callevents.enums import Role
from callevents.extensions import MakeApp, db

#: Without letters and digits that look alike.
PASSWORD_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"  # noqa: S105  # no password
PASSWORD_GROUPS = 4
PASSWORD_GROUP_LENGTH = 5


def prepare(settings: Settings, make_app: MakeApp) -> None:
    """Migrate the database and make the first admin; raises CallEventsError."""
    app = make_app(settings)
    schema.upgrade(app)
    with app.app_context():
        _add_first_admin(settings)
        # From here on the database belongs to the processes.
        db.engine.dispose()


def _add_first_admin(settings: Settings) -> None:
    """Add an admin if there is no user, and print name and password, which is done only now."""
    begin_write()
    if users.has_users():
        return
    password = settings.admin_password or _new_password()
    user = users.add_user(settings.admin_username, password, Role.ADMIN)
    db.session.commit()
    click.echo("There is a first admin now. The password is shown this once.")
    click.echo(f"Username: {user.username}\nPassword: {password}")


def _new_password() -> str:
    """Return a password of 100 bits that can be read out."""
    return "-".join(
        "".join(secrets.choice(PASSWORD_ALPHABET) for _ in range(PASSWORD_GROUP_LENGTH))
        for _ in range(PASSWORD_GROUPS)
    )
