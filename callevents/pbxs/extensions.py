"""Use cases on a PBX's extensions: list, add, rename, delete."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, delete, false, func, or_, select

from callevents import audit
from callevents.audit.actions import ObjectKind
from callevents.audit.targets import Target, of_extension
from callevents.db.locks import lock_pbx
from callevents.db.models import (
    MAX_NUMBER_LENGTH,
    Extension,
    Hook,
    Pbx,
    SeenExtension,
    new_id,
    to_id,
    utc_now,
)
from callevents.db.models.hook import ALL_EXTENSIONS
from callevents.db.session import insert_into
from callevents.delivery.removal import Removed, remove_extension
from callevents.enums import EventType
from callevents.errors import InvalidError, NotFoundError
from callevents.extensions import db
from callevents.pbxs.groups import is_member, join_groups
from callevents.users.rights import EVERYTHING, Scope
from callevents.validation import MAX_NAME_LENGTH, check_text

PAGE_SIZE = 50


class Sort(StrEnum):
    """Sort order of the list of extensions."""

    NUMBER = "number"
    NAME = "name"


@dataclass(frozen=True)
class ExtensionPage:
    """A page of a PBX's extensions, and their hooks by extension ID and event type."""

    extensions: Sequence[Extension]
    hooks: dict[str | None, dict[EventType, list[Hook]]]
    total: int
    page: int
    pages: int


def find_extensions(
    pbx: Pbx,
    search: str = "",
    *,
    sort: Sort = Sort.NUMBER,
    descending: bool = False,
    page: int = 1,
    scope: Scope = EVERYTHING,
    group: str = "",
) -> ExtensionPage:
    """Return a page of the extensions whose number or name contains the words of `search`.

    The page has the hooks of its extensions, and those for all extensions under None. The number
    of queries is constant.
    """
    matching = select_matching(pbx, search, group).where(scope.of_extensions())
    total = db.session.scalar(select(func.count()).select_from(matching.subquery())) or 0
    pages = max(1, -(-total // PAGE_SIZE))
    page = min(max(1, page), pages)
    columns: list[ColumnElement[Any]] = [func.lower(Extension.name)] if sort is Sort.NAME else []
    columns += [func.length(Extension.number), func.lower(Extension.number)]
    found = db.session.scalars(
        matching.order_by(*(column.desc() if descending else column for column in columns))
        .limit(PAGE_SIZE)
        .offset((page - 1) * PAGE_SIZE)
    ).all()
    return ExtensionPage(found, _find_hooks(pbx, found), total, page, pages)


def list_extensions(
    pbx: Pbx, limit: int | None = None, scope: Scope = EVERYTHING
) -> Sequence[Extension]:
    """Return the extensions of the PBX, by number; at most `limit` of them."""
    return db.session.scalars(
        select(Extension)
        .where(Extension.pbx_id == pbx.id, scope.of_extensions())
        .order_by(func.length(Extension.number), Extension.number)
        .limit(limit)
    ).all()


def count_extensions(pbxs: Sequence[Pbx], scope: Scope = EVERYTHING) -> dict[int, int]:
    """Return the number of extensions by PBX ID; PBXs without extensions are left out."""
    rows = db.session.execute(
        select(Extension.pbx_id, func.count())
        .where(Extension.pbx_id.in_([pbx.id for pbx in pbxs]), scope.of_extensions())
        .group_by(Extension.pbx_id)
    )
    return dict(rows.all())


def count_all(pbx: Pbx) -> int:
    """Return the number of extensions of the PBX."""
    return count_extensions([pbx]).get(pbx.id, 0)


def find_extension_hooks(pbx: Pbx, extension: Extension | None) -> dict[EventType, list[Hook]]:
    """Return the hooks of an extension by event type; those for all extensions if None."""
    found = _find_hooks(pbx, [extension] if extension else [])
    return found.get(extension.id if extension else None, {})


def get_extension(pbx: Pbx, extension_id: str) -> Extension:
    """Return the PBX's extension with this ID; raises NotFoundError."""
    # to_id returns None for an invalid ID, which matches no extension.
    found = select(Extension).where(Extension.pbx_id == pbx.id, Extension.id == to_id(extension_id))
    extension = db.session.scalar(found)
    if extension is None:
        raise no_such_extension(pbx)
    return extension


def no_such_extension(pbx: Pbx) -> NotFoundError:
    """Return the error about an extension that does not exist, or may not be seen."""
    return NotFoundError(f"{pbx.name} has no such extension.")


def get_extension_by_number(pbx: Pbx, number: str) -> Extension | None:
    """Return the PBX's extension with this number, None for `*`; raises NotFoundError."""
    if number == ALL_EXTENSIONS:
        return None
    found = select(Extension).where(Extension.pbx_id == pbx.id, Extension.number == number)
    extension = db.session.scalar(found) if number.isprintable() else None
    if extension is None:
        raise NotFoundError(f"{pbx.name} has no extension {number!r}.")
    return extension


def add_extension(pbx: Pbx, number: str, name: str = "") -> Extension:
    """Add an extension; raises InvalidError about `number` or `name`."""
    number = check_number(number)
    if db.session.scalar(
        select(Extension.id).where(Extension.pbx_id == pbx.id, Extension.number == number)
    ):
        raise InvalidError.of("number", f"{pbx.name} has an extension {number!r} already.")
    lock_pbx(db.session.connection(), pbx.id)
    check_quota(pbx, count_all(pbx))
    extension = Extension(
        id=new_id(), pbx_id=pbx.id, number=number, name=check_extension_name(name)
    )
    db.session.add(extension)
    delete_seen(pbx, number)
    db.session.flush()
    join_groups(pbx.id, [extension])
    values = {"number": number, "name": extension.name}
    audit.record(audit.Action.EXTENSION_ADDED, of_extension(extension), after=values)
    return extension


def add_extensions(pbx: Pbx, names: Mapping[str, str]) -> list[str]:
    """Add extensions with these names by number; return the numbers added.

    Existing extensions and invalid numbers are skipped. Raises InvalidError if there is no room
    for all of the others.
    """
    now = utc_now()
    rows = [
        {"id": new_id(), "pbx_id": pbx.id, "number": number, "name": name, "created_at": now}
        for number, name in names.items()
        if can_be_added(number)
    ]
    if rows:
        # Before the suggestions, as whoever undoes a removal does.
        lock_pbx(db.session.connection(), pbx.id)
        check_quota(pbx, count_all(pbx), len(rows))
    delete_seen(pbx, *names)
    if not rows:
        return []
    columns = (Extension.id, Extension.number)
    insert = insert_into(Extension).on_conflict_do_nothing().returning(*columns)
    added = db.session.execute(insert, rows).all()
    join_groups(pbx.id, added)
    for row in added:
        target = Target(ObjectKind.EXTENSION, row.id, row.number, pbx.id, row.id)
        values = {"number": row.number, "name": names[row.number]}
        audit.record(audit.Action.SUGGESTION_ACCEPTED, target, after=values)
    return [row.number for row in added]


def rename_extension(extension: Extension, name: str) -> None:
    """Change the extension's name; raises InvalidError about `name`."""
    before, extension.name = {"name": extension.name}, check_extension_name(name)
    target, after = of_extension(extension), {"name": extension.name}
    audit.record_change(audit.Action.EXTENSION_RENAMED, target, before, after)


def delete_extension(extension: Extension) -> Removed:
    """Delete the extension and its hooks, which can be undone for a while.

    What waits for the hooks is held.
    """
    return remove_extension(extension)


def check_number(number: str) -> str:
    """Return the number without surrounding spaces; raises InvalidError about `number`."""
    number = number.strip()
    if not number:
        raise InvalidError.of("number", "Enter the extension's number.")
    if number == ALL_EXTENSIONS:
        raise InvalidError.of("number", "The number * stands for all extensions.")
    return check_text(number, field="number", max_length=MAX_NUMBER_LENGTH)


def can_be_added(number: str) -> bool:
    """Return True if this is a valid number of an extension, without changes."""
    try:
        return check_number(number) == number
    except InvalidError:
        return False


def check_quota(pbx: Pbx, count: int, more: int = 1) -> None:
    """Raise InvalidError about `number` if a PBX with `count` extensions has no room for more."""
    if pbx.max_extensions is not None and count + more > pbx.max_extensions:
        limit = f"{pbx.max_extensions:,} extension{'s'[: pbx.max_extensions != 1]}"
        too_many = f" {more:,} more are too many." if more > 1 else ""
        raise InvalidError.of(
            "number",
            f"The quota of {pbx.name} is {limit}, and it has {count:,}.{too_many} Delete "
            "others, or ask an admin for a higher quota.",
        )


def check_extension_name(name: str) -> str:
    """Return the name without surrounding spaces; raises InvalidError about `name`."""
    return check_text(name.strip(), field="name", max_length=MAX_NAME_LENGTH)


def delete_seen(pbx: Pbx, *numbers: str) -> None:
    """Delete the suggestions of these numbers."""
    seen = (SeenExtension.pbx_id == pbx.id, SeenExtension.number.in_(numbers))
    db.session.execute(delete(SeenExtension).where(*seen))


def select_matching(pbx: Pbx, search: str, group: str) -> Select[Extension]:
    """Return the query for extensions whose number or name has the words, of a group if named."""
    query = select(Extension).where(Extension.pbx_id == pbx.id)
    if group:
        query = query.where(is_member(group))
    if not search.isprintable():
        # Names and numbers are printable, and PostgreSQL rejects NUL.
        query = query.where(false())
    for word in search.split():
        query = query.where(
            or_(
                Extension.number.icontains(word, autoescape=True),
                Extension.name.icontains(word, autoescape=True),
            )
        )
    return query


def _find_hooks(
    pbx: Pbx, extensions: Sequence[Extension]
) -> dict[str | None, dict[EventType, list[Hook]]]:
    wanted = [extension.id for extension in extensions]
    hooks = db.session.scalars(
        select(Hook)
        .where(
            or_(
                Hook.extension_id.in_(wanted),
                and_(Hook.pbx_id == pbx.id, Hook.extension_id.is_(None)),
            )
        )
        .order_by(Hook.id)
    )
    grouped: dict[str | None, dict[EventType, list[Hook]]] = {}
    for hook in hooks:
        grouped.setdefault(hook.extension_id, {}).setdefault(hook.event_type, []).append(hook)
    return grouped
