"""The owner of one extension is not shown what belongs to others, or to receivers."""

import pytest

from callevents.db.session import begin_write
from callevents.enums import Role
from callevents.extensions import db
from callevents.receivers.connect import connect
from tests.api.v1.conftest import MakeApi, api
from tests.receivers.conftest import AddReceiver
from tests.receivers.test_owners import World, world
from tests.support.receiver import Receiver

__all__ = ["api", "world"]


@pytest.mark.parametrize("role", [Role.SELF_SERVICE, Role.OPERATOR], ids=["owner", "operator"])
def test_connecting_names_only_visible_requests(
    api: MakeApi, world: World, add_receiver: AddReceiver, receiver: Receiver, role: Role
) -> None:
    """Requests for all extensions serve the owner's extension, and their IDs stay unknown."""
    is_owner = role is Role.SELF_SERVICE
    other = add_receiver("second", url=receiver.url)
    begin_write()
    of_all = {one.event_id for one in connect(other, world.pbx, None, ["pop"]).created}
    db.session.commit()
    program = api(role, pbx=world.pbx, extension=world.hook.extension if is_owner else None)
    path, body = f"/receivers/{other.slug}/connect", {"pbx": world.pbx.slug, "extensions": ["101"]}
    first = program.post(path, {**body, "requests": ["pop", "log"]}).get_json()
    assert [one["request"] for one in first["created"]] == ["log"]
    assert {one["event_id"] for one in first["kept"]} == (set() if is_owner else of_all)
    own = {one["event_id"] for one in first["created"]}
    again = program.post(path, {**body, "requests": ["pop", "log"]}).get_json()
    assert again["created"] == []
    assert {one["event_id"] for one in again["kept"]} == (own if is_owner else own | of_all)
