"""The groups of a PBX, and lists filtered by them."""

import pytest

from callevents.db.models import Pbx
from callevents.enums import EventType
from callevents.extensions import db
from callevents.pbxs.groups import get_group, list_groups, list_members
from tests.conftest import Configure
from tests.web.conftest import Visitor

BASE = "/pbxs/head-office/groups"


@pytest.fixture
def numbers(pbx: Pbx, configure: Configure) -> None:
    """Three extensions, one with a request."""
    for number in ("101", "102", "201"):
        configure.extension(number)
    configure.hook("101", EventType.HANGUP, "https://crm.example.com/")


def members(pbx: Pbx, name: str) -> list[str]:
    """Return the numbers of a group's members."""
    db.session.rollback()
    return [one.number for one in list_members(get_group(pbx, name))]


@pytest.mark.usefixtures("numbers")
def test_add_change_remove(admin: Visitor, pbx: Pbx) -> None:
    """A group is added, changed and removed in dialogs."""
    assert "No groups yet" in admin.get(BASE).text
    values = {"name": "Sales", "pattern": "1..", "members": "201", "template": "101"}
    assert admin.post(f"{BASE}/new", **values).status_code == 303
    assert members(pbx, "Sales") == ["101", "102", "201"]
    assert "3 extensions" in admin.get(BASE).text
    [group] = list_groups(pbx)
    path = f"{BASE}/{group.id}"
    dialog = admin.get(path).text
    assert ('value="1.."' in dialog, 'value="101"' in dialog) == (True, True)
    wrong = admin.post(path, name="Sales", template="999")
    assert (wrong.status_code, "no extension 999" in wrong.text) == (422, True)
    wrong = admin.post(path, name="Sales", pattern="1(", members="999")
    assert (wrong.status_code, "no extension 999" in wrong.text) == (422, True)
    wrong = admin.post(path, name="", pattern="1(")
    assert (wrong.status_code, wrong.text.count("aria-invalid")) == (422, 2)
    assert admin.post(path, name="Service", members="101-102").status_code == 303
    assert members(pbx, "Service") == ["101", "102"]
    assert "stay" in admin.get(f"{path}/remove").text
    assert admin.post(f"{path}/remove").status_code == 303
    db.session.rollback()
    assert list_groups(pbx) == []
    assert admin.get(path).status_code == 404


@pytest.mark.usefixtures("numbers")
def test_lists_of_a_group(admin: Visitor, viewer: Visitor, pbx: Pbx) -> None:
    """Extensions and requests can be limited to a group, and all its members selected."""
    admin.get(BASE)
    admin.post(f"{BASE}/new", name="Sales", members="101, 201")
    page = admin.get("/pbxs/head-office/extensions?group=Sales").text
    assert ("2 extensions" in page, ">102<" in page, ">201<" in page) == (True, False, True)
    chosen = admin.get("/pbxs/head-office/extensions/selected?all=yes&group=Sales").text
    assert "Configure for 2 extensions" in chosen
    assert "1 request matches" in admin.get("/requests?group=Sales").text
    assert "0 requests match" in admin.get("/requests?group=Nobody").text
    assert "Add group" not in viewer.get(BASE).text
    assert viewer.post(f"{BASE}/new", name="Mine").status_code == 403
