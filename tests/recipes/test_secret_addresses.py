"""Webhooks whose URL is a secret: its last part is shown to nobody, however it looks."""

import pytest
from flask import Flask
from sqlalchemy import select

from callevents.db.models import Delivery, Hook, Pbx
from callevents.db.session import begin_write
from callevents.enums import DeliveryState, Role
from callevents.extensions import db
from callevents.operations.configuration.text import to_yaml
from callevents.pbxs.extensions import get_extension_by_number
from callevents.users import users
from callevents.users.grants import NewGrant
from tests.api.v1.conftest import MakeApi, api
from tests.operations.configuration.conftest import export
from tests.recipes.conftest import Line
from tests.support.receiver import Receiver, Reply
from tests.support.waiting import wait_until
from tests.web.conftest import PASSWORD, Visitor

__all__ = ["api"]

SECRET = "blue-lagoon"


@pytest.mark.parametrize("role", [Role.ADMIN, Role.VIEWER, Role.SELF_SERVICE])
def test_the_secret_is_shown_nowhere(
    app: Flask, api: MakeApi, pbx: Pbx, line: Line, receiver: Receiver, role: Role
) -> None:
    """On no page, in no answer of the API, in no export without secrets; n8n gets it."""
    receiver.reply = lambda arrival: Reply(body=f"You sent {arrival.path}".encode())
    n8n = line.add("n8n", {"url": f"{receiver.url}/webhook/{SECRET}"})
    line.report("dialin", "101")
    assert receiver.wait_for(1)[0].path == f"/webhook/{SECRET}"
    wait_until(lambda: find_delivered() is not None, "the outcome")
    delivery_id = find_delivered()
    extension = get_extension_by_number(pbx, "101")
    assert extension is not None
    hook = db.session.scalars(select(Hook).where(Hook.extension_id == extension.id)).first()
    assert hook is not None
    office = None if role is Role.ADMIN else pbx
    limited_to = extension if role is Role.SELF_SERVICE else None
    program = api(role, pbx=office, extension=limited_to)
    begin_write()
    users.add_user("ben", PASSWORD, NewGrant(role, office, limited_to))
    db.session.commit()
    visitor = Visitor(app.test_client())
    visitor.sign_in("ben")
    page = f"/pbxs/{pbx.slug}/extensions/{extension.id}"
    shown = [
        visitor.get(page),
        visitor.get(f"{page}/requests/{hook.event_id}"),
        visitor.get(f"/pbxs/{pbx.slug}/requests"),
        visitor.get(f"/receivers/{n8n.slug}"),
        visitor.get(f"/receivers/{n8n.slug}/edit"),
        visitor.get(f"/pbxs/{pbx.slug}/deliveries/{delivery_id}"),
        program.get(f"/receivers/{n8n.slug}"),
        program.get(f"/hooks/{hook.event_id}"),
        program.get(f"/hooks/{hook.event_id}/url"),
        program.get(f"/deliveries/{delivery_id}"),
        program.get(f"/deliveries/{delivery_id}/attempts/1"),
    ]
    # Only who may change the receiver, or all requests of the PBX, gets two of them.
    assert {one.status_code for one in shown} == {200, 200 if role is Role.ADMIN else 403}
    texts = {one.request.path: one.text for one in shown}
    texts["export"] = to_yaml(export())
    assert [name for name, text in texts.items() if SECRET in text] == []
    assert "You sent /webhook/••••" in texts[f"/pbxs/{pbx.slug}/deliveries/{delivery_id}"]


def find_delivered() -> str | None:
    """Return the ID of the delivery that was delivered."""
    db.session.rollback()
    is_done = Delivery.state == DeliveryState.DELIVERED
    return db.session.scalar(select(Delivery.id).where(is_done))
