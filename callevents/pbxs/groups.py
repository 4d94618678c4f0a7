"""Groups of extensions: chosen ones, and those whose numbers match a pattern.

Members are rows, so that queries need no patterns. Adding extensions adds them to the groups whose
patterns they match. The caller commits.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, delete, func, select

from callevents import audit
from callevents.audit.targets import of_group
from callevents.db.locks import lock_pbx
from callevents.db.models import (
    MAX_PATTERN_LENGTH,
    Extension,
    ExtensionGroup,
    GroupMember,
    Pbx,
)
from callevents.db.session import insert_into
from callevents.errors import InvalidError, NotFoundError
from callevents.extensions import db
from callevents.security.regex import compile_pattern
from callevents.users.rights import EVERYTHING, Scope
from callevents.validation import MAX_NAME_LENGTH, check_all, check_text

MAX_GROUPS = 200


@dataclass(frozen=True)
class GroupData:
    """The values of a group that users set. Members of the pattern need not be chosen."""

    name: str
    pattern: str = ""
    chosen: Sequence[Extension] = ()
    #: The extension whose requests new members get.
    template: Extension | None = None


#: Called with a group that has a template, and extensions that have just joined it.
OnJoin = Callable[[ExtensionGroup, Sequence[Extension]], None]
_on_join: list[OnJoin] = []


def call_on_join(listener: OnJoin) -> None:
    """Call the function when extensions join a group: nothing here knows of hooks."""
    if listener not in _on_join:
        _on_join.append(listener)


def list_groups(pbx: Pbx) -> Sequence[ExtensionGroup]:
    """Return the groups of the PBX by name."""
    query = select(ExtensionGroup).where(ExtensionGroup.pbx_id == pbx.id)
    return db.session.scalars(query.order_by(func.lower(ExtensionGroup.name))).all()


def list_names(scope: Scope = EVERYTHING) -> Sequence[str]:
    """Return the names of the groups in the scope, each once."""
    query = select(ExtensionGroup.name).where(scope.of_groups()).distinct()
    return db.session.scalars(query.order_by(ExtensionGroup.name)).all()


def is_member(name: str) -> ColumnElement[bool]:
    """Return the condition for extensions in a group with this name."""
    members = select(GroupMember.extension_id).join(
        ExtensionGroup, ExtensionGroup.id == GroupMember.group_id
    )
    return Extension.id.in_(members.where(ExtensionGroup.name == name))


def count_members(pbx: Pbx) -> Mapping[int, int]:
    """Return the number of members by the ID of the group; groups without any are left out."""
    query = (
        select(GroupMember.group_id, func.count())
        .join(ExtensionGroup, ExtensionGroup.id == GroupMember.group_id)
        .where(ExtensionGroup.pbx_id == pbx.id)
        .group_by(GroupMember.group_id)
    )
    return {row[0]: row[1] for row in db.session.execute(query)}


def list_memberships(pbx: Pbx) -> Mapping[str, Sequence[int]]:
    """Return the IDs of an extension's groups by its own ID; those in no group are left out."""
    query = (
        select(GroupMember.extension_id, GroupMember.group_id)
        .join(ExtensionGroup, ExtensionGroup.id == GroupMember.group_id)
        .where(ExtensionGroup.pbx_id == pbx.id)
    )
    found: dict[str, list[int]] = {}
    for extension_id, group_id in db.session.execute(query):
        found.setdefault(extension_id, []).append(group_id)
    return found


def list_members(group: ExtensionGroup, *, only_chosen: bool = False) -> Sequence[Extension]:
    """Return the members by number."""
    query = (
        select(Extension)
        .join(GroupMember, GroupMember.extension_id == Extension.id)
        .where(GroupMember.group_id == group.id)
    )
    if only_chosen:
        query = query.where(GroupMember.is_chosen)
    ordered = query.order_by(func.length(Extension.number), Extension.number)
    return db.session.scalars(ordered).all()


def list_chosen(group_ids: Sequence[int]) -> Mapping[int, Sequence[str]]:
    """Return the numbers of the chosen members, in order, by the ID of the group."""
    query = (
        select(GroupMember.group_id, Extension.number)
        .join(Extension, Extension.id == GroupMember.extension_id)
        .where(GroupMember.group_id.in_(group_ids), GroupMember.is_chosen)
        .order_by(func.length(Extension.number), Extension.number)
    )
    found: dict[int, list[str]] = {}
    for group_id, number in db.session.execute(query):
        found.setdefault(group_id, []).append(number)
    return found


def get_group(pbx: Pbx, name: str) -> ExtensionGroup:
    """Return the PBX's group with this name; raises NotFoundError."""
    group = _find(pbx, name) if name.isprintable() else None
    if group is None:
        raise NotFoundError(f"{pbx.name} has no group {name!r}.")
    return group


def add_group(pbx: Pbx, data: GroupData) -> ExtensionGroup:
    """Add a group; raises InvalidError about `name` or `pattern`."""
    lock_pbx(db.session.connection(), pbx.id)
    data = _check(pbx, data)
    if len(list_groups(pbx)) >= MAX_GROUPS:
        raise InvalidError.of("name", f"A PBX can have at most {MAX_GROUPS} groups.")
    group = ExtensionGroup(
        pbx_id=pbx.id, name=data.name, pattern=data.pattern, template_id=_id_of(data.template)
    )
    db.session.add(group)
    db.session.flush()
    _set_members(group, data.chosen)
    audit.record(audit.Action.GROUP_ADDED, of_group(group), after=_describe(group))
    return group


def change_group(group: ExtensionGroup, data: GroupData) -> None:
    """Replace name, pattern and chosen members; raises InvalidError."""
    lock_pbx(db.session.connection(), group.pbx_id)
    db.session.refresh(group)
    data = _check(group.pbx, data, group)
    before = _describe(group)
    group.name, group.pattern = data.name, data.pattern
    group.template_id = _id_of(data.template)
    _set_members(group, data.chosen)
    audit.record_change(audit.Action.GROUP_CHANGED, of_group(group), before, _describe(group))


def remove_group(group: ExtensionGroup) -> None:
    """Remove the group. Its members and their requests stay."""
    lock_pbx(db.session.connection(), group.pbx_id)
    audit.record(audit.Action.GROUP_REMOVED, of_group(group), before=_describe(group))
    db.session.delete(group)
    db.session.flush()


def add_to_groups(pbx: Pbx, wanted: Mapping[str, Iterable[Extension]]) -> None:
    """Add chosen members to groups by name, and the groups that are missing.

    Raises InvalidError. The PBX is locked.
    """
    for name, extensions in wanted.items():
        group = _find(pbx, name) or add_group(pbx, GroupData(name))
        before = _describe(group)
        _join(group, list(extensions), is_chosen=True)
        after = _describe(group)
        audit.record_change(audit.Action.GROUP_CHANGED, of_group(group), before, after)


def join_groups(
    pbx_id: int, added: Sequence[Extension | Any], *, gives_requests: bool = True
) -> None:
    """Add new extensions, or rows with `id` and `number`, to groups whose patterns they match.

    `gives_requests`: they get the requests of the groups' templates.
    """
    query = select(ExtensionGroup).where(
        ExtensionGroup.pbx_id == pbx_id, ExtensionGroup.pattern != ""
    )
    for group in db.session.scalars(query).all() if added else ():
        joining = _matching(group.pattern, added)
        if gives_requests:
            _join(group, joining, is_chosen=False)
        else:
            _insert(group.id, joining, is_chosen=False)


def find_template(group: ExtensionGroup) -> Extension | None:
    """Return the extension whose requests new members get, None without."""
    return db.session.get(Extension, group.template_id) if group.template_id else None


def _join(group: ExtensionGroup, joining: Sequence[Any], *, is_chosen: bool) -> None:
    """Make extensions, or rows with their IDs, members, and tell so if the group has a template."""
    wanted = {one.id for one in joining}
    of_group = (GroupMember.group_id == group.id, GroupMember.extension_id.in_(wanted))
    there = set(db.session.scalars(select(GroupMember.extension_id).where(*of_group)))
    _insert(group.id, joining, is_chosen=is_chosen)
    new = select(Extension).where(Extension.id.in_(wanted - there)).order_by(Extension.id)
    if group.template_id and wanted - there and _on_join:
        joined = db.session.scalars(new).all()
        for listener in _on_join:
            listener(group, joined)


def _id_of(extension: Extension | None) -> str | None:
    return extension.id if extension else None


def _find(pbx: Pbx, name: str) -> ExtensionGroup | None:
    same = (ExtensionGroup.pbx_id == pbx.id, ExtensionGroup.name == name.strip())
    return db.session.scalar(select(ExtensionGroup).where(*same))


def _check(pbx: Pbx, data: GroupData, group: ExtensionGroup | None = None) -> GroupData:
    name, pattern = data.name.strip(), data.pattern.strip()
    check_all(lambda: _check_name(pbx, name, group), lambda: _check_pattern(pattern))
    return GroupData(name, pattern, data.chosen, data.template)


def _check_name(pbx: Pbx, name: str, group: ExtensionGroup | None) -> None:
    if not name:
        raise InvalidError.of("name", "Enter a name.")
    check_text(name, field="name", max_length=MAX_NAME_LENGTH)
    other = _find(pbx, name)
    if other is not None and other is not group:
        raise InvalidError.of("name", f"{pbx.name} already has a group {name!r}.")


def _check_pattern(pattern: str) -> None:
    check_text(pattern, field="pattern", max_length=MAX_PATTERN_LENGTH)
    try:
        compile_pattern(pattern)
    except ValueError as error:
        raise InvalidError.of("pattern", str(error)) from None


def _set_members(group: ExtensionGroup, chosen: Sequence[Extension]) -> None:
    db.session.flush()
    db.session.execute(delete(GroupMember).where(GroupMember.group_id == group.id))
    _insert(group.id, chosen, is_chosen=True)
    if group.pattern:
        of_pbx = select(Extension).where(Extension.pbx_id == group.pbx_id)
        found = db.session.scalars(of_pbx).all()
        _insert(group.id, _matching(group.pattern, found), is_chosen=False)


def _matching(pattern: str, extensions: Iterable[Any]) -> Sequence[Any]:
    compiled = compile_pattern(pattern)
    return [one for one in extensions if compiled.fullmatch(one.number)]


def _insert(group_id: int, extensions: Iterable[Any], *, is_chosen: bool) -> None:
    rows = [
        {"group_id": group_id, "extension_id": one.id, "is_chosen": is_chosen} for one in extensions
    ]
    if rows:
        db.session.execute(insert_into(GroupMember).on_conflict_do_nothing(), rows)


def _describe(group: ExtensionGroup) -> dict[str, object]:
    chosen = [one.number for one in list_members(group, only_chosen=True)]
    template = find_template(group)
    return {
        "name": group.name,
        "pattern": group.pattern,
        "chosen": chosen,
        "template": template.number if template else "",
    }
