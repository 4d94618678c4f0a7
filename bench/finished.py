"""Fills a database with finished deliveries, copied from an existing one."""

from sqlalchemy import Engine, text

from callevents.db.models import Attempt, CallEvent, Delivery
from callevents.db.session import write_transaction
from callevents.extensions import Base

#: Rows in one transaction, to limit the size of the write-ahead log.
PART = 100_000
#: The first digits of their ids: older than all new ones.
ID_PREFIX = "0190"
MODELS: tuple[type[Base], ...] = (CallEvent, Delivery, Attempt)


def fill(engine: Engine, count: int) -> None:
    """Add `count` call events of different calls, each with a delivery and an attempt."""
    for first in range(0, count, PART):
        last = min(first + PART, count)
        with write_transaction(engine) as connection:
            if engine.dialect.name == "postgresql":
                # The rows are copies, so foreign keys need no check.
                for setting in ("statement_timeout = 0", "session_replication_role = replica"):
                    connection.exec_driver_sql(f"SET LOCAL {setting}")
            for model in MODELS:
                statement = _statement(model, engine.dialect.name)
                connection.execute(text(statement), {"first": first, "last": last})
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql("SET statement_timeout = 0")
            connection.exec_driver_sql("VACUUM ANALYZE")
            # Write all pages now: with rows that came over months, none would be left to write.
            connection.exec_driver_sql("CHECKPOINT")
            connection.exec_driver_sql("RESET statement_timeout")


def _statement(model: type[Base], dialect: str) -> str:
    """Return the statement that copies the table's latest row for each number."""
    table = model.__tablename__
    changed = _changed(table, dialect)
    names = [column.name for column in model.__table__.columns]
    values = ", ".join(changed.get(name, f"latest.{name}") for name in names)
    # Names come from the models, so they need no quoting.
    return (
        f"{_numbers(dialect)} INSERT INTO {table} ({', '.join(names)}) "
        f"SELECT {values} FROM numbers, (SELECT * FROM {table} "
        f"ORDER BY {names[0]} DESC LIMIT 1) AS latest"
    )


def _numbers(dialect: str) -> str:
    if dialect == "postgresql":
        return "WITH numbers AS (SELECT generate_series(:first, :last - 1) AS n)"
    return (
        "WITH RECURSIVE numbers(n) AS (SELECT :first UNION ALL "
        "SELECT n + 1 FROM numbers WHERE n + 1 < :last)"
    )


def _changed(table: str, dialect: str) -> dict[str, str]:
    """Return the SQL expressions of the columns that differ from row to row."""
    if dialect == "postgresql":
        row_id = f"('{ID_PREFIX}' || lpad(to_hex(n), 28, '0'))::uuid"
    else:
        row_id = f"'{ID_PREFIX}' || printf('%028x', n)"
    if table == "attempt":
        return {"delivery_id": row_id}
    changed = {"id": row_id, "call_id": "'call-' || n", "extension": "'1' || (n % 1000)"}
    if table == "delivery":
        return changed | {"call_event_id": row_id}
    return changed | {"key": "'key-' || n", "leg_id": "'leg-' || n"}
