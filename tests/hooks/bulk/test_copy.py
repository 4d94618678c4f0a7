"""Copying hooks to other extensions."""

from collections.abc import Sequence

import pytest
from sqlalchemy import select

from callevents.audit import Action
from callevents.db.models import Hook, Pbx
from callevents.db.session import begin_write
from callevents.enums import AuthKind, EventType
from callevents.errors import InvalidError
from callevents.extensions import cipher, db
from callevents.hooks.bulk.copy import ALREADY_THERE, OF_ANOTHER_PBX, OVER_QUOTA, CopyTo
from callevents.hooks.hooks import set_active
from callevents.hooks.options import Credentials
from callevents.pbxs.extensions import add_extension, list_extensions
from tests.conftest import Configure
from tests.hooks.bulk.conftest import Many, set_options


def find_hooks(number: str) -> Sequence[Hook]:
    """Return the hooks of the extension."""
    query = select(Hook).join(Hook.extension).where(Hook.extension.has(number=number))
    return db.session.scalars(query.order_by(Hook.id)).all()


def test_copies_with_secrets(many: Many, hooks: Sequence[Hook]) -> None:
    """Copies have own Event IDs, and the same values and secrets; Undo removes them."""
    set_options(hooks[0], credentials=Credentials(AuthKind.BEARER, secret="geheim"))
    begin_write()
    set_active(hooks[1], active=False)
    db.session.commit()
    targets = list_extensions(many.pbx)
    done = many.apply(CopyTo(targets), extension="101")
    assert (done.changed, done.unchanged, done.left_out) == (4, 2, {})
    first, second = find_hooks("102")[2:]
    assert (first.url, first.auth, second.active) == (hooks[0].url, AuthKind.BEARER, False)
    assert "geheim" in cipher.bound.decrypt(first.auth_secret)
    assert first.event_id not in {hook.event_id for hook in hooks}
    [entry] = many.entries(Action.HOOKS_COPIED)
    assert (entry.object_name, entry.after["to"]) == ("4 requests", ["101", "102", "103"])
    again = many.apply(CopyTo(targets), extension="101")
    assert again.left_out[ALREADY_THERE] == 4
    begin_write()
    set_active(first, active=False)
    db.session.commit()
    undone = many.undo(done)
    assert (undone.hooks, undone.left_out) == (3, 1)
    assert [len(find_hooks(number)) for number in ("101", "102", "103")] == [2, 3, 2]


def test_quota_and_other_pbx(many: Many, hooks: Sequence[Hook], other_pbx: Pbx) -> None:
    """Copies stay within the quota, and within their PBX."""
    begin_write()
    many.pbx.max_hooks = 7
    other = add_extension(other_pbx, "201")
    db.session.commit()
    [_, extension, _] = list_extensions(many.pbx)
    plan = many.plan(CopyTo([extension]), extension="101")
    assert (len(plan.changing), plan.count_left_out()) == (1, {OVER_QUOTA: 1})
    assert many.plan(CopyTo([other]), extension="101").count_left_out() == {OF_ANOTHER_PBX: 2}
    with pytest.raises(InvalidError, match="Choose the extensions"):
        many.plan(CopyTo([]))


def test_at_most_20_for_one_event(many: Many, configure: Configure) -> None:
    """The limit of requests for one event holds for copies too."""
    for number in ("101", "102"):
        configure.extension(number)
    for number in range(15):
        for extension in ("101", "102"):
            url = f"https://crm.example.com/{extension}/{number}"
            configure.hook(extension, EventType.HANGUP, url)
    [_, target] = list_extensions(many.pbx)
    done = many.apply(CopyTo([target]), extension="101")
    assert (done.changed, sum(done.left_out.values())) == (5, 10)
