"""The pause of a receiver concerns all of a PBX: owners of extensions see it, and do not end it."""

from datetime import timedelta

import pytest
from flask import Flask

from callevents.db.models import Origin, utc_now
from callevents.db.session import begin_write
from callevents.enums import Role
from callevents.extensions import db
from tests.receivers.test_owners import World, sign_in, world

__all__ = ["world"]


@pytest.mark.parametrize("role", [Role.SELF_SERVICE, Role.OPERATOR], ids=["owner", "operator"])
def test_try_now(app: Flask, world: World, role: Role) -> None:
    """The owner has no button, and gets 403; the operator makes the probe due."""
    is_owner = role is Role.SELF_SERVICE
    visitor = sign_in(app, world, role)
    begin_write()
    origin, later = db.session.query(Origin).one(), utc_now() + timedelta(hours=1)
    origin.opened_at, origin.probe_at = utc_now(), later
    db.session.commit()
    page = f"/receivers/{world.crm.slug}"
    shown = visitor.get(page).text
    assert ("paused" in shown, 'id="try-now"' in shown) == (True, not is_owner)
    answer = visitor.post(f"{page}/try-now")
    assert answer.status_code == (403 if is_owner else 303)
    db.session.rollback()
    assert (origin.probe_at == later) is is_owner
