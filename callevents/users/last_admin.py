"""An admin of all PBXs who can sign in always stays."""

from sqlalchemy import and_, or_, select

from callevents.db.models import Grant, User
from callevents.enums import Role
from callevents.errors import ConflictError
from callevents.extensions import db

_IS_ADMIN = User.grants.any(and_(Grant.role == Role.ADMIN, Grant.pbx_id.is_(None)))
# Who has signed in before counts without a password too: after a reset, or with a provider.
_CAN_SIGN_IN = and_(
    User.disabled_at.is_(None),
    or_(User.password_hash != "", User.last_sign_in_at.is_not(None)),
)


def keep_an_admin(losing: User) -> None:
    """Raise ConflictError if this user is the last enabled admin.

    Locks all admins until the transaction ends, so that two admins cannot lose this at once.
    """
    # In the order of their IDs, so that two transactions do not wait for each other.
    db.session.execute(select(User.id).where(_IS_ADMIN).order_by(User.id).with_for_update())
    # A separate statement: it sees what others have committed before we got the locks.
    left = db.session.scalars(select(User.id).where(_IS_ADMIN, _CAN_SIGN_IN)).all()
    if left == [losing.id]:
        raise ConflictError(
            f"{losing.username} is the last enabled admin of all PBXs. "
            "Make another user such an admin first."
        )
