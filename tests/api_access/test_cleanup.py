"""What has expired is removed, and nothing else."""

from datetime import UTC, datetime, timedelta

import time_machine
from sqlalchemy import func, select

from callevents.api_access.app_tokens import ACCESS_TIME, REFRESH_TIME, issue_for_grant
from callevents.api_access.cleanup import KEEP_ANSWERS, KEEP_EXPIRED, remove_old
from callevents.api_access.scopes import ApiScope
from callevents.config.settings import Settings
from callevents.db.models import ApiToken, IdempotencyKey, OAuthGrant, OAuthToken, User, utc_now
from callevents.db.session import begin_write, write_transaction
from callevents.extensions import Base, db
from callevents.operations.scheduler import Scheduler
from tests.api_access.adding import add_app, add_token, add_user, allow

NOW = datetime(2026, 3, 1, 10, 0, 0, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


def count(model: type[Base]) -> int:
    """Return the number of rows."""
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(model)) or 0


def clean_up() -> None:
    """Remove what is old by now."""
    db.session.rollback()
    with write_transaction(db.engine) as connection:
        remove_old(connection, utc_now())


def test_expired_tokens_are_listed_for_a_while(ana: User) -> None:
    """Their owner sees why they no longer work; those that never expire stay."""
    with time_machine.travel(NOW, tick=False) as clock:
        add_token(ana, expires_at=NOW + timedelta(days=1))
        add_token(ana)
        clock.move_to(NOW + timedelta(days=1) + KEEP_EXPIRED)
        clean_up()
        assert count(ApiToken) == 2
        clock.shift(MILLISECOND)
        clean_up()
        assert count(ApiToken) == 1


def test_tokens_of_apps(ana: User) -> None:
    """Access tokens go after an hour; a consent goes with the last refresh token."""
    bob = add_user("bob", "viewer")
    app = add_app(ana)
    with time_machine.travel(NOW, tick=False) as clock:
        begin = allow(bob, app)
        begin_write()
        issue_for_grant(begin, frozenset({ApiScope.UAPI}))
        db.session.commit()
        clock.move_to(NOW + ACCESS_TIME + MILLISECOND)
        clean_up()
        assert (count(OAuthToken), count(OAuthGrant)) == (1, 1)
        clock.move_to(NOW + REFRESH_TIME)
        clean_up()
        assert count(OAuthGrant) == 1
        clock.shift(MILLISECOND)
        clean_up()
        assert (count(OAuthToken), count(OAuthGrant)) == (0, 0)


def test_consent_whose_code_was_never_used(ana: User) -> None:
    """It goes when the code has expired."""
    with time_machine.travel(NOW, tick=False) as clock:
        allow(ana, add_app(ana), is_used=False)
        clock.move_to(NOW + timedelta(minutes=10))
        clean_up()
        assert count(OAuthGrant) == 1
        clock.shift(MILLISECOND)
        clean_up()
        assert count(OAuthGrant) == 0


def test_kept_answers(ana: User) -> None:
    """They are kept for a day."""
    with time_machine.travel(NOW, tick=False) as clock:
        begin_write()
        db.session.add(IdempotencyKey(principal="token:1", key="k", request_digest="d"))
        db.session.commit()
        clock.move_to(NOW + KEEP_ANSWERS)
        clean_up()
        assert count(IdempotencyKey) == 1
        clock.shift(MILLISECOND)
        clean_up()
        assert count(IdempotencyKey) == 0


def test_leader_among_the_workers_cleans_up(ana: User, settings: Settings) -> None:
    """The periodic clean-up of a worker removes them too."""
    with time_machine.travel(NOW, tick=False) as clock:
        add_token(ana, expires_at=NOW + timedelta(days=1))
        clock.move_to(NOW + timedelta(days=99))
        db.session.rollback()
        scheduler = Scheduler(db.engine, settings)
        scheduler.send_heartbeat()
        scheduler.remove_old()
        assert count(ApiToken) == 0
