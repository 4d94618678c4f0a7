"""User accounts, their sessions, and failed sign-ins."""

from datetime import datetime

from flask_login import UserMixin
from sqlalchemy import ForeignKey, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from callevents.db.types import PublicId, UtcDateTime, new_id, text_enum, utc_now
from callevents.enums import Role, SignInMethod
from callevents.extensions import Model

#: Maximum length of the name of a browser, and of an address.
MAX_CLIENT_LENGTH = 64


class User(UserMixin, Model):  # type: ignore[misc]  # Flask-Login has no types
    """A user account."""

    __tablename__ = "user_account"

    id: Mapped[int] = mapped_column(primary_key=True)
    #: Stored in lower case, so that two spellings are one user.
    username: Mapped[str] = mapped_column(String(64), unique=True)
    #: Empty for users of single sign-on.
    password_hash: Mapped[str] = mapped_column(String(255))
    role: Mapped[Role] = mapped_column(text_enum(Role, 16), default=Role.VIEWER)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)

    @property
    def has_password(self) -> bool:
        """True if the user can sign in without a provider of single sign-on."""
        return bool(self.password_hash)

    @property
    def is_admin(self) -> bool:
        """True if the user may change settings and data."""
        return self.role is Role.ADMIN


class UserIdentity(Model):
    """Whom a provider of single sign-on means by a user."""

    __tablename__ = "user_identity"
    __table_args__ = (UniqueConstraint("issuer", "subject"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey(User.id, ondelete="CASCADE"), index=True)
    #: The provider, as its tokens name it, and the user's ID there: names and addresses may change.
    issuer: Mapped[str] = mapped_column(String(255))
    subject: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)


class UserSession(Model):
    """A browser that a user is signed in with."""

    __tablename__ = "user_session"

    id: Mapped[str] = mapped_column(PublicId, primary_key=True, default=new_id)
    user_id: Mapped[int] = mapped_column(ForeignKey(User.id, ondelete="CASCADE"), index=True)
    #: SHA-256 of the token in the cookie: it is random and long.
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    #: The browser's name, such as 'Firefox on Windows'.
    browser: Mapped[str] = mapped_column(String(MAX_CLIENT_LENGTH))
    #: The address that it was last seen at.
    address: Mapped[str] = mapped_column(String(MAX_CLIENT_LENGTH))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    #: Behind the last request by up to a minute.
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    method: Mapped[SignInMethod] = mapped_column(
        text_enum(SignInMethod, 16), default=SignInMethod.PASSWORD
    )
    #: With single sign-on: the slug of the provider, and its token, encrypted, for the sign-out.
    provider: Mapped[str] = mapped_column(String(32), default="")
    id_token: Mapped[str] = mapped_column(Text, default="")

    user: Mapped[User] = relationship()


class SignInFailure(Model):
    """The number of recent failed sign-ins for one account, one address or one device."""

    __tablename__ = "sign_in_failure"

    #: Digest of 'account:NAME', 'address:NETWORK' or 'device:ID'.
    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    count: Mapped[int] = mapped_column(Integer)
    failed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    blocked_until: Mapped[datetime] = mapped_column(UtcDateTime)
