"""User accounts, their roles and sessions, and failed sign-ins."""

from datetime import datetime

from flask_login import UserMixin
from sqlalchemy import ForeignKey, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from callevents.db.models.pbx import Extension, Pbx
from callevents.db.types import PublicId, UtcDateTime, new_id, text_enum, utc_now
from callevents.enums import Role, SignInMethod, UserState
from callevents.extensions import Model

#: Maximum length of the name of a browser, and of an address.
MAX_CLIENT_LENGTH = 64
MAX_EMAIL_LENGTH = 254


class User(UserMixin, Model):  # type: ignore[misc]  # Flask-Login has no types
    """A user account."""

    __tablename__ = "user_account"

    id: Mapped[int] = mapped_column(primary_key=True)
    #: Stored in lower case, so that two spellings are one user.
    username: Mapped[str] = mapped_column(String(64), unique=True)
    #: Empty until the user has set a password, and for users of single sign-on.
    password_hash: Mapped[str] = mapped_column(String(255))
    #: For invitations; empty if unknown.
    email: Mapped[str] = mapped_column(String(MAX_EMAIL_LENGTH), default="", server_default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    last_sign_in_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: A disabled user cannot sign in.
    disabled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    grants: Mapped[list["Grant"]] = relationship(
        order_by="Grant.id", cascade="all, delete-orphan", passive_deletes=True
    )

    @property
    def state(self) -> UserState:
        """Whether the user can sign in. After a reset of the password it is still `active`."""
        if self.disabled_at is not None:
            return UserState.DISABLED
        is_new = not self.password_hash and self.last_sign_in_at is None
        return UserState.INVITED if is_new else UserState.ACTIVE

    @property
    def has_password(self) -> bool:
        """True if the user can sign in without a provider of single sign-on."""
        return bool(self.password_hash)

    @property
    def is_admin(self) -> bool:
        """True if the user may change everything."""
        return any(grant.role is Role.ADMIN and grant.pbx_id is None for grant in self.grants)


class Grant(Model):
    """A role of a user: for all PBXs, for one, or for one extension."""

    __tablename__ = "user_grant"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey(User.id, ondelete="CASCADE"), index=True)
    role: Mapped[Role] = mapped_column(text_enum(Role, 16))
    #: None: all PBXs.
    pbx_id: Mapped[int | None] = mapped_column(ForeignKey(Pbx.id, ondelete="CASCADE"), index=True)
    #: Only for `self-service`, which needs one.
    extension_id: Mapped[str | None] = mapped_column(
        ForeignKey(Extension.id, ondelete="CASCADE"), index=True
    )

    pbx: Mapped[Pbx | None] = relationship()
    extension: Mapped[Extension | None] = relationship()


class PasswordLink(Model):
    """A link with which a user sets a password: of an invitation, or of a reset."""

    __tablename__ = "password_link"
    __table_args__ = (UniqueConstraint("user_id"),)

    #: SHA-256 of the token in the link: it is random and long.
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey(User.id, ondelete="CASCADE"))
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)

    user: Mapped[User] = relationship()


class UserIdentity(Model):
    """Links a user to an account at a provider of single sign-on."""

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
