"""Groups of extensions in exports and imports."""

import pytest

from callevents.db.models import Pbx
from callevents.db.session import begin_write
from callevents.errors import InvalidError
from callevents.extensions import db
from callevents.operations.configuration.text import parse, to_yaml
from callevents.pbxs import groups
from callevents.pbxs.extensions import list_extensions
from callevents.pbxs.groups import GroupData
from tests.conftest import Configure
from tests.operations.configuration.conftest import Another, export, load


@pytest.fixture
def grouped(pbx: Pbx, configure: Configure) -> Pbx:
    """A PBX with two groups."""
    for number in ("101", "102", "201"):
        configure.extension(number)
    begin_write()
    chosen = [one for one in list_extensions(pbx) if one.number == "201"]
    groups.add_group(pbx, GroupData("Sales", "1..", chosen, chosen[0]))
    groups.add_group(pbx, GroupData("Empty"))
    db.session.commit()
    return pbx


def test_round_trip(grouped: Pbx, another: Another) -> None:
    """Another installation has the same groups; importing twice changes nothing."""
    document = export()
    assert [one.name for one in document.pbxs[0].groups] == ["Empty", "Sales"]
    with another():
        changes = load(parse(to_yaml(document)))
        added = [one.name for one in changes if one.kind == "group"]
        assert added == ["head-office Empty", "head-office Sales"]
        assert export() == document
        assert load(document, prune=True) == []


def test_changes_and_prune(grouped: Pbx) -> None:
    """Groups are changed by name, and those that are left out are removed only with prune."""
    document = export()
    [_, sales] = document.pbxs[0].groups
    sales = sales.model_copy(update={"pattern": "2..", "members": ["101"]})
    wanted = document.model_copy(
        update={"pbxs": [document.pbxs[0].model_copy(update={"groups": [sales]})]}
    )
    [changed] = load(wanted)
    assert (changed.name, changed.fields) == ("head-office Sales", ("pattern", "members"))
    [removed] = load(wanted, prune=True)
    assert (removed.done, removed.name) == ("removed", "head-office Empty")
    [group] = groups.list_groups(grouped)
    assert [one.number for one in groups.list_members(group)] == ["101", "201"]


def test_unknown_members(grouped: Pbx) -> None:
    """An extension that is not there is an error with its place."""
    document = export()
    [_, sales] = document.pbxs[0].groups
    sales = sales.model_copy(update={"members": ["999"]})
    wanted = document.model_copy(
        update={"pbxs": [document.pbxs[0].model_copy(update={"groups": [sales]})]}
    )
    with pytest.raises(InvalidError) as raised:
        load(wanted)
    assert list(raised.value.errors) == ["pbxs/0/groups/0/members"]
