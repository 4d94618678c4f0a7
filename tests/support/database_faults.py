"""Real database failures, and their repair."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event, text

from callevents.db.session import write_transaction
from tests.support.waiting import wait_until


@contextmanager
def missing_table(engine: Engine, table: str) -> Iterator[None]:
    """Rename the table, so that statements on it fail with the database's error."""
    _run(engine, f"ALTER TABLE {table} RENAME TO {table}_away")
    try:
        yield
    finally:
        _run(engine, f"ALTER TABLE {table}_away RENAME TO {table}")


@contextmanager
def refused_inserts(engine: Engine, table: str) -> Iterator[None]:
    """Have the database reject every insert into the table."""
    if engine.dialect.name == "sqlite":
        _run(
            engine,
            f"CREATE TRIGGER refuse BEFORE INSERT ON {table} "
            "BEGIN SELECT RAISE(ABORT, 'refused by the test'); END",
        )
        undo = ["DROP TRIGGER refuse"]
    else:
        _run(
            engine,
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql "
            "AS 'BEGIN RAISE EXCEPTION ''refused by the test'' "
            "USING ERRCODE = ''check_violation''; END'",
            f"CREATE TRIGGER refuse BEFORE INSERT ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse()",
        )
        undo = [f"DROP TRIGGER refuse ON {table}", "DROP FUNCTION refuse()"]
    try:
        yield
    finally:
        _run(engine, *undo)


@contextmanager
def before_statement(engine: Engine, beginning: str, act: Callable[[], None]) -> Iterator[None]:
    """Run `act` once, in the thread of the first such statement, just before it is executed.

    No code is replaced: this only decides the order of two concurrent actions.
    """
    done: list[bool] = []

    def listen(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith(beginning) and not done:
            done.append(True)
            act()

    event.listen(engine, "before_cursor_execute", listen)
    try:
        yield
    finally:
        event.remove(engine, "before_cursor_execute", listen)
    assert done, f"no statement began with {beginning!r}"


@contextmanager
def meanwhile(engine: Engine, beginning: str, act: Callable[[], None]) -> Iterator[None]:
    """Run `act` in a thread that starts just before the first such statement.

    The statement is executed when `act` is done, or waits for our locks. At the end it is done.
    """
    thread = threading.Thread(target=act)

    def is_done_or_waits() -> bool:
        if not thread.is_alive():
            return True
        with engine.connect() as connection:
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            return bool(connection.scalar(text(waiting)))

    def start() -> None:
        thread.start()
        # On SQLite it waits for our transaction.
        if engine.dialect.name == "postgresql":
            wait_until(is_done_or_waits, "the other action, done or waiting")

    with before_statement(engine, beginning, start):
        yield
    thread.join()


@contextmanager
def lost_connection(engine: Engine, beginning: str) -> Iterator[None]:
    """Have PostgreSQL terminate the connection of the first such statement before it runs."""
    done: list[bool] = []

    def listen(connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith(beginning) and not done:
            done.append(True)
            pid = connection.connection.dbapi_connection.info.backend_pid
            with engine.connect() as other:
                other.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})

    event.listen(engine, "before_cursor_execute", listen)
    try:
        yield
    finally:
        event.remove(engine, "before_cursor_execute", listen)
    assert done, f"no statement began with {beginning!r}"


def _run(engine: Engine, *statements: str) -> None:
    with write_transaction(engine) as connection:
        for statement in statements:
            connection.execute(text(statement))
