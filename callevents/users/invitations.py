"""Invite users, and reset passwords: both end with a link with which the user sets a password."""

from collections.abc import Iterable

from callevents import audit
from callevents.audit.targets import of_user
from callevents.db.models import User
from callevents.errors import ConflictError
from callevents.extensions import db
from callevents.users import users
from callevents.users.grants import NewGrant, describe_grants, set_grants
from callevents.users.password_links import make_link


def invite_user(username: str, email: str, roles: Iterable[NewGrant]) -> tuple[User, str]:
    """Add a user without a password; return the user and the token of the link.

    Raises InvalidError about `username`, `email` or `roles`.
    """
    email = users.check_email(email)
    user = User(username=users.check_username(username), password_hash="", email=email)
    db.session.add(user)
    set_grants(user, roles)
    after = {"roles": describe_grants(user), "email": user.email}
    audit.record(audit.Action.USER_INVITED, of_user(user), after=after)
    return user, make_link(user)


def check_reset(user: User) -> None:
    """Raise ConflictError if the user is disabled, or one of single sign-on."""
    if users.has_identity(user):
        raise ConflictError(
            "This user signs in by single sign-on and has no password here. "
            "Reset it at the provider."
        )
    if user.disabled_at is not None:
        raise ConflictError("This user is disabled. Enable the user first.")


def reset_password(user: User) -> str:
    """Remove the password, end all sessions, and return the token of a new link.

    Raises ConflictError if the user is disabled, or one of single sign-on.
    """
    user = users.get_user(user.username, lock=True)
    check_reset(user)
    audit.record(audit.Action.PASSWORD_RESET, of_user(user))
    users.change_password(user, "")
    return make_link(user)
