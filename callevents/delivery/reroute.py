"""What waits for a hook, brought up to date when the hook changes."""

from typing import Any

from sqlalchemy import ColumnElement, Text, bindparam, case, func, select, update

from callevents.db.models import Delivery, Hook, find_ordering_key, utc_now
from callevents.delivery.outbox import is_open_of, release_ordering_keys
from callevents.extensions import db

_table = Delivery.__table__
_SET_ORDERING_KEY = (
    update(_table)  # type: ignore[arg-type]  # a declared class's table is a Table
    .where(_table.c.id == bindparam("delivery_id"))
    .values(ordering_key=bindparam("new_ordering_key"))
)


def redirect(hook: Hook) -> None:
    """Let what waits go the way that the hook says now."""
    _update(hook, method=hook.method, url=hook.url, origin_id=hook.origin_id)


def change_age(hook: Hook, seconds: int) -> None:
    """Give up what waits so many seconds later than it was to be, or earlier."""
    _update(hook, expires_at=_later(Delivery.expires_at, seconds))


def change_ordering_keys(hook: Hook) -> None:
    """Let what waits keep the order that the hook and its origin say now."""
    connection = db.session.connection()
    columns = (Delivery.id, Delivery.pbx_id, Delivery.call_id, Delivery.ordering_key)
    found = connection.execute(
        select(*columns).where(is_open_of([hook.id])).order_by(Delivery.id)
    ).all()
    ordering_keys = [
        {
            "delivery_id": row.id,
            "new_ordering_key": find_ordering_key(
                row.pbx_id, row.call_id, hook.origin_id, in_order=hook.in_order
            ),
        }
        for row in found
    ]
    if ordering_keys:
        connection.execute(_SET_ORDERING_KEY, ordering_keys)
    # Whom they waited for may have nothing to do with them any more; workers look again.
    due_at = case((Delivery.deferred, utc_now()), else_=Delivery.due_at)
    _update(hook, due_at=due_at, deferred=False)
    release_ordering_keys(connection, [row.ordering_key for row in found], utc_now())


def _update(hook: Hook, **values: Any) -> None:
    db.session.execute(
        update(Delivery)
        .where(is_open_of([hook.id]))
        .values(values)
        .execution_options(synchronize_session=False)
    )


def _later(column: Any, seconds: int) -> ColumnElement[Any]:
    """Return the moment in the column moved by so many seconds, in the database's own words."""
    if db.engine.dialect.name == "postgresql":
        return column + func.make_interval(0, 0, 0, 0, 0, 0, seconds)  # type: ignore[no-any-return]
    # SQLite stores moments as text, with six digits after the second.
    return func.strftime("%Y-%m-%d %H:%M:%f000", column, f"{seconds:+d} seconds", type_=Text)
