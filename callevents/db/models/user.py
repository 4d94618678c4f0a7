"""User accounts and failed sign-ins."""

from datetime import datetime

from flask_login import UserMixin
from sqlalchemy import Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from callevents.db.types import UtcDateTime, text_enum, utc_now
from callevents.enums import Role
from callevents.extensions import Model


class User(UserMixin, Model):  # type: ignore[misc]  # Flask-Login has no types
    """A user account."""

    __tablename__ = "user_account"

    id: Mapped[int] = mapped_column(primary_key=True)
    #: Stored in lower case, so that two spellings are one user.
    username: Mapped[str] = mapped_column(String(64), unique=True)
    password_hash: Mapped[str] = mapped_column(String(255))
    role: Mapped[Role] = mapped_column(text_enum(Role, 16), default=Role.VIEWER)
    #: Incremented when the password changes, which ends all other sessions.
    session_version: Mapped[int] = mapped_column(Integer, default=1)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)

    @property
    def is_admin(self) -> bool:
        """True if the user may change settings and data."""
        return self.role is Role.ADMIN

    def get_id(self) -> str:
        """Return the user's id in the session."""
        return f"{self.id}.{self.session_version}"


class SignInFailure(Model):
    """The number of recent failed sign-ins for one account or one address."""

    __tablename__ = "sign_in_failure"

    #: Digest of 'account:NAME' or 'address:ADDRESS'.
    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    count: Mapped[int] = mapped_column(Integer)
    failed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    blocked_until: Mapped[datetime] = mapped_column(UtcDateTime)
