"""Records the statements that the database executes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event

from callevents.extensions import db


@contextmanager
def counting(statements: list[str]) -> Iterator[None]:
    """Add each executed statement to the list, except those that begin transactions."""

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if not statement.startswith("BEGIN"):
            statements.append(statement)

    engine = db.engine
    event.listen(engine, "before_cursor_execute", note)
    yield
    event.remove(engine, "before_cursor_execute", note)
