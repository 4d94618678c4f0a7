"""What changes many requests, by the action that is recorded for it: see test_every_action.py."""

import re
from collections.abc import Callable

from sqlalchemy import select

from callevents.audit import Action
from callevents.db.models import BulkChange, Receiver
from callevents.db.session import begin_write
from callevents.extensions import db
from tests.audit.world import BASE, World
from tests.web.test_hook_form import fields

CHANGE = f"{BASE}/requests/change"
CONFIGURE = f"{BASE}/extensions/configure/hangup"
WHERE = "--where pbx=head-office"


def change(world: World, action: str, **values: object) -> None:
    """Preview a change of all requests, and make it."""
    form = {"action": action, "all": "yes", **values}
    preview = world.user.post(CHANGE, step="preview", **form).text
    found = re.search(r'name="previewed"\s+value="([^"]+)"', preview)
    assert found, preview
    world.post(CHANGE, step="apply", previewed=found[1], **form)
    db.session.rollback()


def enable(world: World) -> None:
    """Disable all requests and enable them."""
    for action in ("disable", "enable"):
        change(world, action)


def move(world: World) -> None:
    """Move all requests to a receiver."""
    begin_write()
    db.session.add(Receiver(slug="crm", name="CRM", address="http://crm.example.com"))
    db.session.commit()
    change(world, "move", destination="crm", drops_secrets="y")


def undo(world: World) -> None:
    """Disable all requests and undo that."""
    change(world, "disable")
    change_id = db.session.scalars(select(BulkChange.id)).one()
    world.post(f"/requests/changes/{change_id}/undo")


PAGES: dict[Action, Callable[[World], None]] = {
    Action.HOOKS_ADDED: lambda w: w.post(CONFIGURE, **fields("http://a/"), all="yes"),
    Action.HOOKS_DISABLED: lambda w: change(w, "disable"),
    Action.HOOKS_ENABLED: enable,
    Action.HOOKS_URL_REPLACED: lambda w: change(w, "replace", find="?", replacement="/x?"),
    Action.HOOKS_POLICY_CHANGED: lambda w: change(w, "policy", in_order="no"),
    Action.HOOKS_CONDITIONS_CHANGED: lambda w: change(w, "conditions", party="external"),
    Action.HOOKS_MOVED: move,
    Action.HOOKS_COPIED: lambda w: change(w, "copy", to="101"),
    Action.HOOKS_CLEARED: lambda w: change(w, "clear"),
    Action.HOOKS_UNDONE: undo,
}
ADD_GROUP = "groups add head-office Sales --pattern 1.."
COMMANDS: dict[Action, tuple[str, ...]] = {
    Action.GROUP_ADDED: (ADD_GROUP,),
    Action.GROUP_CHANGED: (ADD_GROUP, "groups set head-office Sales --members 101"),
    Action.GROUP_REMOVED: (ADD_GROUP, "groups remove head-office Sales"),
    Action.HOOKS_DISABLED: (f"hooks disable {WHERE}",),
    Action.HOOKS_ENABLED: (f"hooks disable {WHERE}", f"hooks enable {WHERE}"),
    Action.HOOKS_POLICY_CHANGED: (f"hooks policy --no-order {WHERE}",),
    Action.HOOKS_CONDITIONS_CHANGED: (f"hooks conditions --only-if party=external {WHERE}",),
    Action.HOOKS_CLEARED: (f"hooks clear {WHERE}",),
}
