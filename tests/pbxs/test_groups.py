"""Groups of extensions: by list or pattern, new members included."""

import pytest
from sqlalchemy import func, select

from callevents.audit import Action
from callevents.db.models import AuditEntry, Extension, ExtensionGroup, GroupMember, Hook, Pbx
from callevents.db.session import begin_write
from callevents.delivery import removal
from callevents.enums import EventType
from callevents.errors import InvalidError, NotFoundError
from callevents.extensions import db
from callevents.hooks.selection import HookWhere, Selection
from callevents.pbxs import extensions, groups
from callevents.pbxs.extension_batches import add_batch
from callevents.pbxs.extension_import import add_lines, parse
from callevents.pbxs.extensions import list_extensions
from callevents.pbxs.groups import GroupData
from tests.conftest import Configure


def add(pbx: Pbx, name: str, pattern: str = "", *numbers: str) -> ExtensionGroup:
    """Add a group."""
    begin_write()
    chosen = [one for one in list_extensions(pbx) if one.number in numbers]
    group = groups.add_group(pbx, GroupData(name, pattern, chosen))
    db.session.commit()
    return group


def members(pbx: Pbx, name: str) -> list[str]:
    """Return the numbers of a group's members."""
    db.session.rollback()
    return [one.number for one in groups.list_members(groups.get_group(pbx, name))]


def test_new_members(pbx: Pbx, configure: Configure) -> None:
    """Extensions that match the pattern become members, however they are added."""
    for number in ("101", "102", "201"):
        configure.extension(number)
    add(pbx, "Sales", "1..", "201")
    add(pbx, "Others", "", "102")
    assert members(pbx, "Sales") == ["101", "102", "201"]
    configure.extension("103")
    begin_write()
    add_batch(pbx, [("104", ""), ("1045", ""), ("204", "")])
    extensions.add_extensions(pbx, {"105": "Ann"})
    db.session.commit()
    assert members(pbx, "Sales") == ["101", "102", "103", "104", "105", "201"]
    assert members(pbx, "Others") == ["102"]
    counts = groups.count_members(pbx)
    assert {one.name: counts[one.id] for one in groups.list_groups(pbx)} == {
        "Others": 1,
        "Sales": 6,
    }


def test_changes(pbx: Pbx, configure: Configure) -> None:
    """Another pattern means other members; chosen ones stay. Each change is an entry."""
    for number in ("101", "201"):
        configure.extension(number)
    group = add(pbx, "Sales", "1..", "201")
    begin_write()
    chosen = groups.list_members(group, only_chosen=True)
    groups.change_group(group, GroupData("Service", "3..", chosen))
    db.session.commit()
    assert members(pbx, "Service") == ["201"]
    begin_write()
    groups.change_group(group, GroupData("Service", "3..", chosen))
    groups.remove_group(group)
    db.session.commit()
    with pytest.raises(NotFoundError, match="no group 'Service'"):
        groups.get_group(pbx, "Service")
    assert db.session.scalar(select(func.count()).select_from(GroupMember)) == 0
    actions = db.session.scalars(
        select(AuditEntry.action).where(AuditEntry.object_kind == "group").order_by(AuditEntry.id)
    )
    assert list(actions) == [Action.GROUP_ADDED, Action.GROUP_CHANGED, Action.GROUP_REMOVED]


@pytest.mark.parametrize(
    ("data", "field"),
    [
        (GroupData(""), "name"),
        (GroupData("Sales"), "name"),
        (GroupData("a\u0007"), "name"),
        (GroupData("x" * 101), "name"),
        (GroupData("New", "1("), "pattern"),
        (GroupData("New", "1" * 201), "pattern"),
        (GroupData("New", "(?=1)"), "pattern"),
    ],
)
def test_invalid(pbx: Pbx, data: GroupData, field: str) -> None:
    """Wrong names and patterns are refused with the field."""
    add(pbx, "Sales")
    begin_write()
    with pytest.raises(InvalidError) as raised:
        groups.add_group(pbx, data)
    assert list(raised.value.errors) == [field]
    db.session.rollback()


def test_removed_extensions(pbx: Pbx, configure: Configure) -> None:
    """A removed extension leaves its groups, and is in them again with Undo."""
    configure.extension("101")
    add(pbx, "Sales", "1..")
    add(pbx, "Gone", "1..")
    [extension] = list_extensions(pbx)
    begin_write()
    removed = extensions.delete_extension(extension)
    groups.remove_group(groups.get_group(pbx, "Gone"))
    db.session.commit()
    assert members(pbx, "Sales") == []
    begin_write()
    removal.undo(pbx, removed.id)
    db.session.commit()
    assert members(pbx, "Sales") == ["101"]


def test_import_and_filter(pbx: Pbx, other_pbx: Pbx, configure: Configure) -> None:
    """A file names groups, also of existing extensions; requests are found by group."""
    configure.extension("101")
    hook = configure.hook("101", EventType.HANGUP, "https://crm.example.com/")
    Configure(other_pbx).hook("*", EventType.HANGUP, "https://crm.example.com/")
    parsed = parse("101,Ann,Sales\n102,Bo,Sales\n103,Eva,", pbx)
    assert dict(parsed.groups) == {"Sales": 2}
    begin_write()
    add_lines(pbx, parsed)
    db.session.commit()
    assert members(pbx, "Sales") == ["101", "102"]
    assert [one.id for one in Selection(HookWhere(group="Sales")).load()] == [hook.id]
    assert Selection(HookWhere(group="sales", extension="101")).load() == []
    assert groups.list_names() == ["Sales"]
    assert db.session.scalar(select(func.count()).select_from(Extension)) == 3


def test_new_members_get_requests(pbx: Pbx, configure: Configure) -> None:
    """An extension that joins gets the template's requests, once, with one entry."""
    configure.extension("100")
    configure.hook("100", EventType.HANGUP, "https://crm.example.com/?token=geheim")
    begin_write()
    [template] = list_extensions(pbx)
    groups.add_group(pbx, GroupData("Sales", "1..", template=template))
    groups.add_group(pbx, GroupData("Plain", "1.."))
    db.session.commit()
    configure.extension("101")
    begin_write()
    add_batch(pbx, [("102", ""), ("201", "")])
    extensions.add_extensions(pbx, {"103": "Ann"})
    add_lines(pbx, parse("202,,Sales\n102,,Sales", pbx))
    add_batch(pbx, [("104", "")], gives_requests=False)
    db.session.commit()
    found = db.session.scalars(select(Hook).where(Hook.extension_id.is_not(None)))
    numbers = sorted(hook.extension.number for hook in found if hook.extension)
    assert numbers == ["100", "101", "102", "103", "202"]
    entries = db.session.scalars(
        select(AuditEntry).where(AuditEntry.action == Action.HOOKS_COPIED).order_by(AuditEntry.id)
    ).all()
    assert [entry.after["to"] for entry in entries] == [["101"], ["102"], ["103"], ["202"]]
    assert all(entry.after["group"] == "Sales" for entry in entries)


def test_quota_of_requests_for_new_members(pbx: Pbx, configure: Configure) -> None:
    """Without room for its requests, an extension is added without them."""
    configure.extension("100")
    configure.hook("100", EventType.HANGUP, "https://crm.example.com/")
    begin_write()
    [template] = list_extensions(pbx)
    groups.add_group(pbx, GroupData("Sales", "1..", template=template))
    pbx.max_hooks = 1
    db.session.commit()
    configure.extension("101")
    assert db.session.scalar(select(func.count()).select_from(Hook)) == 1
    assert members(pbx, "Sales") == ["100", "101"]


def test_a_removed_group_keeps_requests(pbx: Pbx, configure: Configure) -> None:
    """Neither the template's requests nor the copies that members have go with the group."""
    configure.extension("100")
    original = configure.hook("100", EventType.HANGUP, "https://crm.example.com/?token=geheim")
    begin_write()
    group = groups.add_group(pbx, GroupData("Sales", "1..", template=original.extension))
    db.session.commit()
    configure.extension("101")
    before = {hook.event_id: hook.url for hook in db.session.scalars(select(Hook))}
    assert len(before) == 2
    begin_write()
    groups.remove_group(group)
    db.session.commit()
    after = {hook.event_id: hook.url for hook in db.session.scalars(select(Hook))}
    assert after == before == dict.fromkeys(before, original.url)
    assert [one.number for one in list_extensions(pbx)] == ["100", "101"]
    configure.extension("102")
    assert db.session.scalar(select(func.count()).select_from(Hook)) == 2
