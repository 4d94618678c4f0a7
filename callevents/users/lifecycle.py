"""Disable, enable and remove users, and change their roles. The last enabled admin stays.

The user's sessions end with the next request. The caller commits.
"""

from collections.abc import Iterable

from callevents import audit
from callevents.audit.targets import of_user
from callevents.db.models import User, utc_now
from callevents.enums import Role
from callevents.extensions import db
from callevents.users import sessions
from callevents.users.grants import NewGrant, describe_grants, set_grants
from callevents.users.last_admin import keep_an_admin
from callevents.users.password_links import withdraw_link


def disable_user(user: User) -> None:
    """Let the user no longer sign in; raises ConflictError for the last enabled admin."""
    keep_an_admin(user)
    if user.disabled_at is None:
        audit.record(audit.Action.USER_DISABLED, of_user(user))
    user.disabled_at = user.disabled_at or utc_now()
    sessions.end_sessions(user)
    withdraw_link(user)


def enable_user(user: User) -> None:
    """Let the user sign in again, with the same password and roles."""
    if user.disabled_at is not None:
        audit.record(audit.Action.USER_ENABLED, of_user(user))
    user.disabled_at = None
    # One may have been started while the user was being disabled.
    sessions.end_sessions(user)


def remove_user(user: User) -> None:
    """Remove the user with all sessions; raises ConflictError for the last enabled admin."""
    keep_an_admin(user)
    before = {"roles": describe_grants(user), "email": user.email}
    audit.record(audit.Action.USER_REMOVED, of_user(user), before=before)
    db.session.delete(user)
    db.session.flush()


def change_roles(user: User, roles: Iterable[NewGrant]) -> None:
    """Replace the roles of the user.

    Raises InvalidError about `roles`, and ConflictError for the last enabled admin.
    """
    roles = list(roles)
    if NewGrant(Role.ADMIN) not in roles:
        keep_an_admin(user)
    before = {"roles": describe_grants(user)}
    set_grants(user, roles)
    after = {"roles": describe_grants(user)}
    audit.record_change(audit.Action.USER_CHANGED, of_user(user), before, after)
