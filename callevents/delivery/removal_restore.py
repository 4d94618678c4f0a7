"""Restores what belonged to a removed extension: roles of users, and its groups."""

from typing import Any

from sqlalchemy import insert, or_, select

from callevents.db.json_rows import from_json
from callevents.db.models import ExtensionGroup, Grant, GroupMember, Removal, User
from callevents.extensions import db


def restore_grants(removal: Removal) -> None:
    """Give the roles back to users who are still there, and whose roles nobody has changed."""
    rows = removal.rows[Grant.__tablename__]
    wanted = {row["user_id"] for row in rows}
    # SQLite may have given the ID of a removed user to a new one, and that of a grant, too.
    same = (User.id.in_(wanted), User.created_at <= removal.removed_at)
    there = set(db.session.scalars(select(User.id).where(*same)))
    for row in rows:
        if row["user_id"] in there and other_grants(row) == row["others"]:
            values = from_json(Grant, row)
            del values["id"]
            db.session.execute(insert(Grant), values)


def restore_members(removal: Removal) -> None:
    """Let the extension be in its groups again, as far as they are still there."""
    rows = removal.rows.get(GroupMember.__tablename__, [])
    ids = [row["group_id"] for row in rows]
    there = set(db.session.scalars(select(ExtensionGroup.id).where(ExtensionGroup.id.in_(ids))))
    again = [from_json(GroupMember, row) for row in rows if row["group_id"] in there]
    if again:
        db.session.execute(insert(GroupMember), again)


def other_grants(row: dict[str, Any]) -> list[list[Any]]:
    """Return the user's grants, without those for the extension, as JSON has them."""
    columns = (Grant.role, Grant.pbx_id, Grant.extension_id)
    others = db.session.execute(
        select(*columns)
        .where(
            Grant.user_id == row["user_id"],
            or_(Grant.extension_id.is_(None), Grant.extension_id != row["extension_id"]),
        )
        .order_by(Grant.role, Grant.pbx_id, Grant.extension_id)
    )
    return [[grant.role.value, grant.pbx_id, grant.extension_id] for grant in others]
