"""The access token of a receiver in SQL: who renews it, the token, and why there is none.

`renewing_until` is a lease: one worker fetches, and all others wait for the row to change.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, exists, or_, select, true, update

from callevents.db.models import Hook, Receiver
from callevents.delivery.oauth.token_answer import Token
from callevents.delivery.request.receiver import has_token
from callevents.enums import AuthKind, ReceiverAuth
from callevents.security.encryption import Cipher

#: A token is renewed this long before its end, or earlier than that by a quarter of its life.
RENEW_AHEAD = timedelta(minutes=5)
RENEW_AHEAD_SHARE = 4
#: It is not used in the last moments before its end, while a request is on its way.
LAST_MOMENTS = timedelta(seconds=10)
LAST_MOMENTS_SHARE = 10
#: A token that a receiver has refused is discarded, at most once in this time: a receiver that
#: refuses all of them must not bring a request to the token server for each call event.
DISCARD_INTERVAL = timedelta(minutes=1)

#: A token is no change by a user, so the receiver's version stays.
_UNMODIFIED: Mapping[str, Any] = {"modified_at": Receiver.modified_at}
_OAUTH = [kind for kind in ReceiverAuth if kind.is_oauth]


@dataclass(frozen=True)
class Renewal:
    """A renewal that this process has begun. Its lease ends at `until`."""

    receiver_id: int
    auth: ReceiverAuth
    credentials: Mapping[str, str] = field(repr=False)
    until: datetime


@dataclass(frozen=True)
class TokenState:
    """What is known of a receiver's token."""

    is_valid: bool
    error: str
    failed_at: datetime | None


def read_state(connection: Connection, receiver_id: int, now: datetime) -> TokenState | None:
    """Return the state of the token, None if the receiver needs none any more."""
    columns = (
        Receiver.access_token,
        Receiver.access_token_expires_at,
        Receiver.renewal_error,
        Receiver.renewal_failed_at,
    )
    wanted = (Receiver.id == receiver_id, Receiver.auth.in_(_OAUTH))
    row = connection.execute(select(*columns).where(*wanted)).first()
    if row is None:
        return None
    return TokenState(has_token(row, now), row.renewal_error, row.renewal_failed_at)


def begin_renewal(
    connection: Connection,
    receiver_id: int,
    cipher: Cipher,
    now: datetime,
    lease: timedelta,
    *,
    failed_after: datetime | None = None,
    ahead: bool = False,
) -> Renewal | None:
    """Acquire the lease, unless another process has it or has just renewed the token.

    `failed_after`: not if a renewal has failed since. `ahead`: renew a token that is valid for a
    while too. Raises UnreadableError.
    """
    failed_at = Receiver.renewal_failed_at
    may_fail_again = (
        true() if failed_after is None else failed_at.is_(None) | (failed_at <= failed_after)
    )
    ends = Receiver.access_token_renew_at if ahead else Receiver.access_token_expires_at
    acquired = connection.execute(
        update(Receiver)
        .where(
            Receiver.id == receiver_id,
            Receiver.auth.in_(_OAUTH),
            or_(Receiver.renewing_until.is_(None), Receiver.renewing_until <= now),
            or_(Receiver.access_token == "", ends.is_(None), ends <= now),
            may_fail_again,
        )
        .values(renewing_until=now + lease, **_UNMODIFIED)
        .returning(Receiver.auth, Receiver.auth_secret)
    ).first()
    if acquired is None:
        return None
    credentials = _read_credentials(acquired.auth_secret, cipher)
    return Renewal(receiver_id, acquired.auth, credentials, now + lease)


def store_token(
    connection: Connection, renewal: Renewal, token: Token, cipher: Cipher, now: datetime
) -> bool:
    """Store the token, and the next refresh token; return False if the credentials have changed.

    The lease may have ended meanwhile: then this token is as good as that of another process, and
    of two refresh tokens the one that came last is kept. Raises UnreadableError.
    """
    row = _lock(connection, renewal.receiver_id)
    if row is None:
        return False
    credentials = _read_credentials(row.auth_secret, cipher)
    if (row.auth, credentials) != (renewal.auth, renewal.credentials):
        end_renewal(connection, renewal)
        return False
    values: dict[str, Any] = {
        "access_token": cipher.encrypt(token.access_token),
        "access_token_expires_at": now
        + token.lifetime
        - min(LAST_MOMENTS, token.lifetime / LAST_MOMENTS_SHARE),
        "access_token_renew_at": now
        + token.lifetime
        - min(RENEW_AHEAD, token.lifetime / RENEW_AHEAD_SHARE),
        "renewing_until": None,
        "renewal_error": "",
        "renewal_failed_at": None,
    }
    if renewal.auth is ReceiverAuth.REFRESH_TOKEN and token.refresh_token:
        changed = {**credentials, "refresh_token": token.refresh_token}
        values["auth_secret"] = cipher.encrypt(json.dumps(changed))
    connection.execute(
        update(Receiver).where(Receiver.id == renewal.receiver_id).values(**values, **_UNMODIFIED)
    )
    return True


def store_failure(connection: Connection, renewal: Renewal, error: str, now: datetime) -> None:
    """Store why there is no token, and release the lease if it is still ours."""
    _release(connection, renewal, renewal_error=error, renewal_failed_at=now)


def end_renewal(connection: Connection, renewal: Renewal) -> None:
    """Release the lease if it is still ours."""
    _release(connection, renewal)


def discard_token(connection: Connection, receiver_id: int, token: str, now: datetime) -> bool:
    """Discard a token that the receiver has refused; return True if another one is worth a try.

    `token`: as it was stored when it was used. If it has been replaced since, nothing changes.
    """
    is_unused = or_(
        Receiver.access_token_refused_at.is_(None),
        Receiver.access_token_refused_at <= now - DISCARD_INTERVAL,
    )
    discarded = connection.execute(
        update(Receiver)
        .where(Receiver.id == receiver_id, Receiver.access_token == token, is_unused)
        .values(
            access_token="",
            access_token_expires_at=None,
            access_token_renew_at=None,
            access_token_refused_at=now,
            **_UNMODIFIED,
        )
    )
    if discarded.rowcount:
        return True
    current = connection.scalar(select(Receiver.access_token).where(Receiver.id == receiver_id))
    return current is not None and current != token


def forget_token(receiver: Receiver) -> None:
    """Remove the token of a receiver whose address or credentials change."""
    receiver.access_token = receiver.renewal_error = ""
    receiver.access_token_expires_at = receiver.access_token_renew_at = None
    receiver.access_token_refused_at = receiver.renewal_failed_at = None
    receiver.renewing_until = None


def find_ending(connection: Connection, now: datetime) -> list[int]:
    """Return the IDs of the receivers whose tokens end soon, and that have enabled requests."""
    is_used = exists().where(
        Hook.receiver_id == Receiver.id, Hook.active, Hook.auth == AuthKind.RECEIVER
    )
    found = select(Receiver.id).where(
        Receiver.auth.in_(_OAUTH), Receiver.access_token_renew_at <= now, is_used
    )
    return list(connection.scalars(found.order_by(Receiver.access_token_renew_at)))


def _read_credentials(secret: str, cipher: Cipher) -> Mapping[str, str]:
    credentials: Mapping[str, str] = json.loads(cipher.decrypt_once(secret))
    return credentials


def _lock(connection: Connection, receiver_id: int) -> Row[ReceiverAuth, str] | None:
    wanted = select(Receiver.auth, Receiver.auth_secret).where(Receiver.id == receiver_id)
    return connection.execute(wanted.with_for_update()).first()


def _release(connection: Connection, renewal: Renewal, **values: object) -> None:
    connection.execute(
        update(Receiver)
        .where(Receiver.id == renewal.receiver_id, Receiver.renewing_until == renewal.until)
        .values(renewing_until=None, **values, **_UNMODIFIED)
    )
