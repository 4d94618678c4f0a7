"""Locks that several domains take, and time for statements that change many rows."""

from sqlalchemy import Connection, select

from callevents.db.models import Pbx
from callevents.errors import NotFoundError

#: PostgreSQL's limit for statements that users wait for and that change any number of rows.
LONG_STATEMENT = "SET LOCAL statement_timeout = '120s'"


def lock_pbx(connection: Connection, pbx_id: int) -> None:
    """Lock the PBX against its removal, and others who lock it; reports are still accepted.

    Raises NotFoundError if it is gone, or is being removed.
    """
    query = select(Pbx.removing_at).where(Pbx.id == pbx_id).with_for_update(key_share=True)
    row = connection.execute(query).first()
    if row is None or row.removing_at is not None:
        raise NotFoundError("This PBX has been removed.")


def allow_long_statements(connection: Connection) -> None:
    """Let the statements of this transaction take longer than those of reports may."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(LONG_STATEMENT)
