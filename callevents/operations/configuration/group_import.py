"""Groups of extensions in a document: how they are exported, and set."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from sqlalchemy import func, select

from callevents.db.models import Extension, ExtensionGroup, GroupMember, Pbx
from callevents.extensions import db
from callevents.operations.configuration.changes import Changes, Done, Kind, errors_at
from callevents.operations.configuration.document import ConfiguredGroup
from callevents.pbxs import groups
from callevents.pbxs.extension_numbers import find_by_numbers
from callevents.pbxs.groups import GroupData


def describe_groups(pbx_ids: Sequence[int]) -> Mapping[int, list[ConfiguredGroup]]:
    """Return the groups by PBX, ordered by name, with the members that were chosen."""
    of_pbxs = ExtensionGroup.pbx_id.in_(pbx_ids)
    chosen = (
        select(GroupMember.group_id, Extension.number)
        .join(Extension, Extension.id == GroupMember.extension_id)
        .join(ExtensionGroup, ExtensionGroup.id == GroupMember.group_id)
        .where(of_pbxs, GroupMember.is_chosen)
        .order_by(func.length(Extension.number), Extension.number)
    )
    members: dict[int, list[str]] = defaultdict(list)
    for row in db.session.execute(chosen):
        members[row.group_id].append(row.number)
    found: dict[int, list[ConfiguredGroup]] = defaultdict(list)
    with_template = select(ExtensionGroup, Extension.number).outerjoin(
        Extension, Extension.id == ExtensionGroup.template_id
    )
    for group, template in db.session.execute(with_template.where(of_pbxs)):
        one = ConfiguredGroup(
            name=group.name,
            pattern=group.pattern,
            members=members[group.id],
            template=template or "",
        )
        found[group.pbx_id].append(one)
    return {pbx_id: sorted(some, key=lambda one: one.name) for pbx_id, some in found.items()}


def set_groups(
    pbx: Pbx, wanted: Sequence[ConfiguredGroup], changes: Changes, pointer: str, *, prune: bool
) -> None:
    """Add and change groups of the PBX; `prune` removes others. Raises DocumentError."""
    existing = {group.name: group for group in groups.list_groups(pbx)}
    current = {one.name: one for one in describe_groups([pbx.id]).get(pbx.id, ())}
    names = {one.name.strip() for one in wanted}
    for name in [name for name in existing if name not in names] if prune else ():
        groups.remove_group(existing[name])
        changes.add(Done.REMOVED, Kind.GROUP, pbx.slug, name)
    for position, one in enumerate(wanted):
        with errors_at(f"{pointer}/{position}"):
            name = one.name.strip()
            _set(pbx, one, existing.get(name), current.get(name), changes)


def _set(
    pbx: Pbx,
    wanted: ConfiguredGroup,
    found: ExtensionGroup | None,
    current: ConfiguredGroup | None,
    changes: Changes,
) -> None:
    chosen = find_by_numbers(pbx, wanted.members, "members")
    template = find_by_numbers(pbx, [wanted.template], "template")[0] if wanted.template else None
    data = GroupData(wanted.name, wanted.pattern, chosen, template)
    if found is None or current is None:
        added = groups.add_group(pbx, data)
        changes.add(Done.ADDED, Kind.GROUP, pbx.slug, added.name)
        return
    fields = [
        name
        for name, differs in (
            ("pattern", current.pattern != wanted.pattern.strip()),
            ("members", set(current.members) != set(wanted.members)),
            ("template", current.template != wanted.template),
        )
        if differs
    ]
    if fields:
        groups.change_group(found, data)
        changes.add(Done.CHANGED, Kind.GROUP, pbx.slug, found.name, fields=tuple(fields))
