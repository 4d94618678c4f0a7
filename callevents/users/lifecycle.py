"""Disable, enable, change and remove users. The last enabled admin stays.

The user's sessions end with the next request. The caller commits.
"""

from collections.abc import Iterable

from sqlalchemy import select

from callevents import audit
from callevents.audit.targets import of_user
from callevents.db.models import OAuthApp, OAuthGrant, User, utc_now
from callevents.enums import Role
from callevents.extensions import db
from callevents.users import sessions, users
from callevents.users.grants import NewGrant, describe_grants, set_grants
from callevents.users.last_admin import keep_an_admin, lock_admins
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
    audit.record(audit.Action.USER_REMOVED, of_user(user), before=_values(user))
    # A request for a token locks these, and then refers to the user.
    for owned in (OAuthApp, OAuthGrant):
        rows = select(owned.id).where(owned.user_id == user.id).order_by(owned.id)
        db.session.execute(rows.with_for_update())
    db.session.delete(user)
    db.session.flush()


def change_roles(user: User, roles: Iterable[NewGrant]) -> None:
    """Replace the roles of the user; raises as `change_user` does."""
    change_user(user, roles=roles)


def change_user(
    user: User, *, email: str | None = None, roles: Iterable[NewGrant] | None = None
) -> None:
    """Change what is given, as one entry of the history.

    Raises InvalidError about `email` or `roles`, and ConflictError for the last enabled admin.
    """
    before = _values(user)
    if email is not None:
        user.email = users.check_email(email)
    if roles is not None:
        _replace_roles(user, list(roles))
    audit.record_change(audit.Action.USER_CHANGED, of_user(user), before, _values(user))


def lock_user(username: str) -> User:
    """Return the user, locked until the transaction ends; raises NotFoundError.

    For a change after a look at the user. The admins are locked first, as all changes lock them,
    so that two transactions do not wait for each other.
    """
    lock_admins()
    return users.get_user(username, lock=True)


def _replace_roles(user: User, roles: list[NewGrant]) -> None:
    if NewGrant(Role.ADMIN) not in roles:
        keep_an_admin(user)
    set_grants(user, roles)


def _values(user: User) -> dict[str, object]:
    return {"roles": describe_grants(user), "email": user.email}
