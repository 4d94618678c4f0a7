"""An admin of all PBXs who can sign in always stays."""

from sqlalchemy import ColumnElement, and_, or_, select

from callevents.db.models import Grant, Passkey, User, UserIdentity
from callevents.enums import Role
from callevents.errors import ConflictError
from callevents.extensions import app_state, db

_IS_ADMIN = User.grants.any(and_(Grant.role == Role.ADMIN, Grant.pbx_id.is_(None)))


def keep_an_admin(losing: User) -> None:
    """Raise ConflictError if this user is the last admin who can sign in.

    Locks all admins until the transaction ends, so that two admins cannot lose this at once.
    """
    if is_last_admin(losing):
        raise ConflictError(
            "This user is the last enabled admin of all PBXs who can sign in. "
            "Make another user such an admin first."
        )


def is_last_admin(user: User) -> bool:
    """Return True if no other admin can sign in, and this one can, or could before a reset.

    Locks all admins, as `keep_an_admin` says.
    """
    lock_admins()
    # Separate statements: they see what others have committed before we got the locks.
    able = _can_sign_in()
    others = select(User.id).where(_IS_ADMIN, able, User.id != user.id)
    if db.session.scalar(others.limit(1)) is not None:
        return False
    could = and_(User.disabled_at.is_(None), or_(able, User.last_sign_in_at.is_not(None)))
    return (
        db.session.scalar(select(User.id).where(User.id == user.id, _IS_ADMIN, could)) is not None
    )


def lock_admins() -> None:
    """Lock all admins until the transaction ends.

    In the order of their IDs, so that two transactions do not wait for each other. Rows that refer
    to them can be added: what adds one may hold locks that the change of a user needs.
    """
    admins = select(User.id).where(_IS_ADMIN).order_by(User.id)
    db.session.execute(admins.with_for_update(key_share=True))


def _can_sign_in() -> ColumnElement[bool]:
    """Return the condition for users with a password, a passkey or a provider that counts now."""
    settings = app_state().settings
    passkeys = select(Passkey.id).where(Passkey.user_id == User.id)
    local = or_(User.password_hash != "", passkeys.exists())
    if not settings.local_passwords:
        local = and_(local, User.username == settings.break_glass_user)
    issuers = [provider.issuer for provider in settings.oidc_providers]
    by_provider = select(UserIdentity.id).where(
        UserIdentity.user_id == User.id, UserIdentity.issuer.in_(issuers)
    )
    return and_(User.disabled_at.is_(None), or_(local, by_provider.exists()))
