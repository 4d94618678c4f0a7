"""Sessions: start, find, list, end. A session is valid as long as its row exists and is not old."""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import sha256

import structlog
from sqlalchemy import ColumnElement, Connection, and_, delete, not_, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import contains_eager

from callevents.db.models import MAX_CLIENT_LENGTH, User, UserSession, utc_now
from callevents.db.session import write_transaction
from callevents.enums import SignInMethod
from callevents.extensions import app_state, db

#: A session ends after this time, however much it is used.
LIFETIME = timedelta(days=30)
#: Pages only read. `seen_at` is written no more often than this.
SEEN_INTERVAL = timedelta(minutes=1)
#: How long a page waits for other writers to SQLite before it does without.
SEEN_TIMEOUT_MS = 500
MAX_LISTED = 50

log = structlog.get_logger("callevents.users")


def start_session(
    user: User,
    browser: str,
    address: str,
    method: SignInMethod = SignInMethod.PASSWORD,
    provider: str = "",
    id_token: str = "",
) -> str:
    """Start a session and return its token, which cannot be read again."""
    token, now = secrets.token_urlsafe(32), utc_now()
    user.last_sign_in_at = now
    db.session.add(
        UserSession(
            user_id=user.id,
            digest=_digest(token),
            browser=browser[:MAX_CLIENT_LENGTH],
            address=address[:MAX_CLIENT_LENGTH],
            created_at=now,
            seen_at=now,
            method=method,
            provider=provider,
            id_token=id_token,
        )
    )
    db.session.flush()
    return token


def find_session(token: str) -> UserSession | None:
    """Return the session with that token, with its user, None if it has ended."""
    found = db.session.scalars(
        select(UserSession)
        .join(UserSession.user)
        .options(contains_eager(UserSession.user).joinedload(User.grants))
        .where(
            UserSession.digest == _digest(token),
            _is_live(utc_now(), _idle_time()),
            User.disabled_at.is_(None),
        )
    )
    return found.unique().one_or_none()


def list_sessions(user: User) -> Sequence[UserSession]:
    """Return the user's sessions, those seen last first, MAX_LISTED at most."""
    return db.session.scalars(
        select(UserSession)
        .where(UserSession.user_id == user.id, _is_live(utc_now(), _idle_time()))
        .order_by(UserSession.seen_at.desc(), UserSession.id.desc())
        .limit(MAX_LISTED)
    ).all()


def note_seen(session: UserSession, address: str) -> None:
    """Store that the session is in use, unless it was stored within SEEN_INTERVAL."""
    now = utc_now()
    if session.seen_at > now - SEEN_INTERVAL:
        return
    values = {"seen_at": now, "address": address[:MAX_CLIENT_LENGTH]}
    is_unchanged = UserSession.seen_at == session.seen_at
    impatient = db.engine.execution_options(callevents_busy_timeout_ms=SEEN_TIMEOUT_MS)
    try:
        # Separate from the request's transaction, which only reads or has not begun.
        with write_transaction(impatient) as connection:
            connection.execute(
                update(UserSession).where(UserSession.id == session.id, is_unchanged).values(values)
            )
    except SQLAlchemyError as error:
        # A page that can be read must not fail for this.
        log.warning("could not store that a session is in use", error=str(error))


def end_session(user: User, session_id: str) -> None:
    """End a session of the user; does nothing if it has ended already."""
    db.session.execute(
        delete(UserSession).where(UserSession.user_id == user.id, UserSession.id == session_id)
    )


def end_sessions(user: User, *, keep: str | None = None) -> None:
    """End all sessions of the user, except the one with the ID `keep`."""
    found = delete(UserSession).where(UserSession.user_id == user.id)
    db.session.execute(found if keep is None else found.where(UserSession.id != keep))


def remove_ended(connection: Connection, now: datetime, idle_time: timedelta) -> None:
    """Remove the rows of sessions that ended by their age."""
    connection.execute(delete(UserSession).where(not_(_is_live(now, idle_time))))


def _is_live(now: datetime, idle_time: timedelta) -> ColumnElement[bool]:
    return and_(UserSession.created_at > now - LIFETIME, UserSession.seen_at > now - idle_time)


def _idle_time() -> timedelta:
    return timedelta(seconds=app_state().settings.session_idle_seconds)


def _digest(token: str) -> str:
    return sha256(token.encode()).hexdigest()
