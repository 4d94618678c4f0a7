"""Errors in a group commit: one of a request affects only that, others all that wait."""

from typing import Any

from flask import Flask
from sqlalchemy import event

from callevents.db.models import Pbx
from callevents.db.session import begin_write
from callevents.errors import RevokedError, UnavailableError
from callevents.extensions import db
from callevents.pbxs import tokens
from tests.ingest.test_group_commit import Crowd, crowd, ring, stored_keys, while_storing
from tests.support.database_faults import missing_table
from tests.support.log_capture import capture_log

__all__ = ["crowd"]


def test_invalid_request_affects_only_itself(crowd: Crowd) -> None:
    """A request that the database rejects gets the error; the others are stored."""
    # A PBX that does not exist: the foreign key rejects it.
    nobody = Pbx(id=4711, slug="nobody", name="Nobody")
    bad: list[int] = []

    def arrive() -> None:
        crowd.queue(ring("a"))
        bad.append(crowd.queue(ring("b"), sender=(nobody, crowd._sender[1])))
        crowd.queue(ring("c"))

    with while_storing(crowd, arrive):
        assert "foreign key" in str(crowd.outcomes[bad[0]]).lower()
    assert stored_keys() == ["first", "a", "c"]
    assert all(isinstance(crowd.outcomes[number], list) for number in (0, 1, 3))


def test_revoked_before_the_commit(crowd: Crowd, app: Flask, pbx: Pbx) -> None:
    """A request with a token revoked before the commit is rejected; the others are stored."""
    begin_write()
    tokens.add_token(pbx)
    db.session.commit()
    old, new = (token.public_id for token in tokens.list_tokens(pbx))
    begin_write()
    tokens.revoke_token(pbx, old)
    db.session.commit()
    db.session.rollback()

    def arrive() -> None:
        crowd.queue(ring("old"), sender=(crowd._sender[0], old))
        crowd.queue(ring("new"), sender=(crowd._sender[0], new))

    crowd._sender = (crowd._sender[0], new)
    with while_storing(crowd, arrive):
        assert isinstance(crowd.outcomes[1], RevokedError)
        assert isinstance(crowd.outcomes[2], list)
    assert stored_keys() == ["first", "new"]


def test_unavailable_database(crowd: Crowd, app: Flask) -> None:
    """All waiting requests get the error, with one log line; later requests are stored."""
    engine = db.engine
    waiting: list[int] = []

    def refuse(connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if (
            statement.startswith("INSERT INTO call_event")
            and waiting
            and not crowd.group_commit._queue
        ):
            # A real error of the database, from a statement that it cannot complete.
            connection.exec_driver_sql(
                "SELECT 1/0 FROM no_such_table"
                if engine.dialect.name == "sqlite"
                else "SELECT pg_terminate_backend(pg_backend_pid())"
            )

    def arrive() -> None:
        waiting.extend(crowd.queue(ring(f"k{number}")) for number in range(5))

    event.listen(engine, "before_cursor_execute", refuse)
    with capture_log() as logged:
        try:
            with while_storing(crowd, arrive):
                pass
        finally:
            event.remove(engine, "before_cursor_execute", refuse)
    assert [type(crowd.outcomes[number]) for number in waiting] == [UnavailableError] * 5
    assert logged.text.count("database unavailable") == 1
    crowd.report(ring("later"))
    crowd.end()
    assert stored_keys() == ["first", "later"]


def test_leader_thread_that_exits(crowd: Crowd, app: Flask) -> None:
    """If the leader's thread exits, its batch gets an error, and the next request leads."""
    engine = db.engine
    died: list[int] = []

    def die(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("INSERT INTO call_event") and not died:
            died.append(1)
            for number in range(3):
                crowd.queue(ring(f"k{number}"))
            raise SystemExit

    event.listen(engine, "before_cursor_execute", die)
    try:
        crowd.report(ring("first"))
        crowd.end()
    finally:
        event.remove(engine, "before_cursor_execute", die)
    assert isinstance(crowd.outcomes[0], SystemExit)
    assert [isinstance(crowd.outcomes[number], list) for number in (1, 2, 3)] == [True] * 3
    assert stored_keys() == ["k0", "k1", "k2"]


def test_missing_table_is_an_error_of_each_request(crowd: Crowd) -> None:
    """Without its tables, the database gives each request an error, and none hangs."""
    with missing_table(db.engine, "call_event"):
        for _ in range(3):
            crowd.report(ring())
        crowd.end()
    assert all(isinstance(outcome, Exception) for outcome in crowd.outcomes.values())
    assert len(crowd.outcomes) == 3
