"""What proves, beside a password, that a user signs in: an app's key, recovery codes, passkeys."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from callevents.db.models.user import User
from callevents.db.types import PublicId, UtcDateTime, new_id, utc_now
from callevents.extensions import Model
from callevents.validation import MAX_NAME_LENGTH


class AppKey(Model):
    """The key that a user's authenticator app makes codes from."""

    __tablename__ = "app_key"

    user_id: Mapped[int] = mapped_column(ForeignKey(User.id, ondelete="CASCADE"), primary_key=True)
    #: The key, encrypted.
    secret: Mapped[str] = mapped_column(Text)
    #: The time step of the last code that was accepted: neither it nor an older one is again.
    last_step: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)


class RecoveryCode(Model):
    """A recovery code that was not used yet."""

    __tablename__ = "recovery_code"

    user_id: Mapped[int] = mapped_column(ForeignKey(User.id, ondelete="CASCADE"), primary_key=True)
    #: SHA-256 of the code: it is random and long.
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)


class Passkey(Model):
    """A public key, whose private key a device or a password manager of the user keeps."""

    __tablename__ = "passkey"

    id: Mapped[str] = mapped_column(PublicId, primary_key=True, default=new_id)
    user_id: Mapped[int] = mapped_column(ForeignKey(User.id, ondelete="CASCADE"), index=True)
    #: The user's name for it.
    name: Mapped[str] = mapped_column(String(MAX_NAME_LENGTH))
    #: The authenticator's ID of it, in base64url: at most 1023 bytes.
    credential_id: Mapped[str] = mapped_column(String(1400), unique=True)
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    #: The authenticator's counter of signatures; 0 if it has none.
    sign_count: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class SpentChallenge(Model):
    """A challenge that has been answered, so that the same answer is not accepted again."""

    __tablename__ = "spent_challenge"

    #: SHA-256 of the challenge.
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    spent_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
