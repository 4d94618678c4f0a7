"""Access of programs: API tokens, OAuth 2.0 apps with their tokens, and answers to be repeated."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from callevents.db.models.pbx import MAX_ADDRESS_LENGTH, Pbx
from callevents.db.models.user import User
from callevents.db.types import PublicId, UtcDateTime, new_id, text_enum, utc_now
from callevents.enums import OAuthTokenKind
from callevents.extensions import Model
from callevents.validation import MAX_NAME_LENGTH

MAX_CLIENT_ID_LENGTH = 40
MAX_SCOPES_LENGTH = 500
MAX_IDEMPOTENCY_KEY_LENGTH = 255


class ApiToken(Model):
    """A token of a user for the management API. Stored as SHA-256: it is random and long."""

    __tablename__ = "api_token"

    id: Mapped[str] = mapped_column(PublicId, primary_key=True, default=new_id)
    user_id: Mapped[int] = mapped_column(ForeignKey(User.id, ondelete="CASCADE"), index=True)
    #: None: whatever the user has rights for.
    pbx_id: Mapped[int | None] = mapped_column(ForeignKey(Pbx.id, ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(MAX_NAME_LENGTH))
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    #: The token's first characters, to distinguish it from others.
    hint: Mapped[str] = mapped_column(String(12))
    #: Separated by blanks, as in OAuth 2.0. See api_access/scopes.py.
    scopes: Mapped[str] = mapped_column(String(MAX_SCOPES_LENGTH))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    #: None: it does not expire.
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: Up to a minute behind the last request with it.
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_used_address: Mapped[str] = mapped_column(String(MAX_ADDRESS_LENGTH), default="")

    user: Mapped[User] = relationship()
    pbx: Mapped[Pbx | None] = relationship()

    @property
    def is_expired(self) -> bool:
        """True if the token is listed only so that its owner sees why it does not work."""
        return self.expires_at is not None and self.expires_at <= utc_now()


class OAuthApp(Model):
    """An OAuth 2.0 client. Its secret is stored as SHA-256: it is random and long."""

    __tablename__ = "oauth_app"
    #: Lists of the management API: newest first.
    __table_args__ = (Index("ix_oauth_app_created_at_id", "created_at", "id"),)

    #: The client ID.
    id: Mapped[str] = mapped_column(String(MAX_CLIENT_ID_LENGTH), primary_key=True)
    #: The owner, for whom it acts with the grant `client_credentials`.
    user_id: Mapped[int] = mapped_column(ForeignKey(User.id, ondelete="CASCADE"), index=True)
    #: None: all PBXs.
    pbx_id: Mapped[int | None] = mapped_column(ForeignKey(Pbx.id, ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(MAX_NAME_LENGTH))
    secret_digest: Mapped[str] = mapped_column(String(64))
    scopes: Mapped[str] = mapped_column(String(MAX_SCOPES_LENGTH))
    redirect_uris: Mapped[list[str]] = mapped_column(JSON, default=list)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    #: Up to a minute behind the last request with one of its tokens.
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_used_address: Mapped[str] = mapped_column(String(MAX_ADDRESS_LENGTH), default="")

    user: Mapped[User] = relationship()
    pbx: Mapped[Pbx | None] = relationship()


class OAuthGrant(Model):
    """A user's consent that an app acts for the user, with the authorization code that it got.

    Removing it revokes all tokens that followed from it.
    """

    __tablename__ = "oauth_grant"

    id: Mapped[str] = mapped_column(PublicId, primary_key=True, default=new_id)
    app_id: Mapped[str] = mapped_column(ForeignKey(OAuthApp.id, ondelete="CASCADE"), index=True)
    user_id: Mapped[int] = mapped_column(ForeignKey(User.id, ondelete="CASCADE"), index=True)
    scopes: Mapped[str] = mapped_column(String(MAX_SCOPES_LENGTH))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: SHA-256 of the code.
    code_digest: Mapped[str] = mapped_column(String(64), unique=True)
    code_expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    #: A code that is used a second time has been stolen.
    code_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: The redirect URI of the request for the code; the request for the token must repeat it.
    redirect_uri: Mapped[str] = mapped_column(Text)
    #: Of PKCE (RFC 7636) with S256; empty: not used.
    code_challenge: Mapped[str] = mapped_column(String(128), default="")

    app: Mapped[OAuthApp] = relationship()
    user: Mapped[User] = relationship()


class OAuthToken(Model):
    """An access token or a refresh token of an app. Stored as SHA-256."""

    __tablename__ = "oauth_token"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    app_id: Mapped[str] = mapped_column(ForeignKey(OAuthApp.id, ondelete="CASCADE"), index=True)
    #: None: of the grant `client_credentials`.
    grant_id: Mapped[str | None] = mapped_column(
        ForeignKey(OAuthGrant.id, ondelete="CASCADE"), index=True
    )
    #: For whom the app acts.
    user_id: Mapped[int] = mapped_column(ForeignKey(User.id, ondelete="CASCADE"), index=True)
    kind: Mapped[OAuthTokenKind] = mapped_column(text_enum(OAuthTokenKind, 8))
    scopes: Mapped[str] = mapped_column(String(MAX_SCOPES_LENGTH))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    #: When a refresh token was exchanged for the next one. It stays, so that its reuse is noticed.
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    app: Mapped[OAuthApp] = relationship()
    grant: Mapped[OAuthGrant | None] = relationship()
    user: Mapped[User] = relationship()


class IdempotencyKey(Model):
    """The answer to a POST with an Idempotency-Key, to be given again."""

    __tablename__ = "idempotency_key"

    #: Whose key it is: `Principal.id`.
    principal: Mapped[str] = mapped_column(String(100), primary_key=True)
    key: Mapped[str] = mapped_column(String(MAX_IDEMPOTENCY_KEY_LENGTH), primary_key=True)
    #: HMAC of method, path, query and body: another request must not get this answer.
    request_digest: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now, index=True)
    #: None: the request is still running.
    status: Mapped[int | None] = mapped_column(Integer)
    headers: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    #: The body, encrypted: it may hold secrets that are shown once.
    body: Mapped[str] = mapped_column(Text, default="")
