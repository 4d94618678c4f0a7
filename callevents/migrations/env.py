"""Alembic environment: runs the migrations in the application, on its configured database."""

from typing import Literal

from alembic import context
from flask import current_app
from sqlalchemy import Connection, Enum, text

from callevents.db.schema import refuse_unreleased
from callevents.db.session import WRITES
from callevents.db.types import IntEnumColumn, PublicId, UtcDateTime
from callevents.extensions import Base, db

#: Key of the PostgreSQL advisory lock that lets one migration run at a time; any unused number.
LOCK_ID = 2026_11_23


def run_migrations() -> None:
    """Migrate in one transaction, so that a failure leaves the database as it was."""
    with current_app.app_context(), db.engine.connect() as connection:
        migrate(connection.execution_options(**WRITES))


def migrate(connection: Connection) -> None:
    """Run the migrations on this connection and commit."""
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=True,
        render_item=render_item,
        compare_type=True,
        transactional_ddl=True,
    )
    with context.begin_transaction():
        if connection.dialect.name == "postgresql":
            # A migration may take as long as it needs, unlike all other statements.
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(text("SET LOCAL lock_timeout = 0"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:id)"), {"id": LOCK_ID})
        refuse_unreleased(connection)
        context.run_migrations()


def render_item(kind: str, item: object, _context: object) -> str | Literal[False]:
    """Render our column types as the SQL types they store, so migrations do not import them."""
    if kind != "type":
        return False
    if isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    if isinstance(item, IntEnumColumn):
        return "sa.SmallInteger()"
    if isinstance(item, PublicId):
        return "sa.Uuid(as_uuid=False)"
    if isinstance(item, Enum):
        return f"sa.String(length={item.length})"
    return False


run_migrations()
