"""Entries about many hooks at once: which hooks they name, and how a hook's history finds them."""

from collections.abc import Mapping, Sequence

from sqlalchemy import ColumnElement, String, and_, cast

from callevents.audit.actions import Action, ObjectKind
from callevents.audit.targets import Target
from callevents.counted import counted
from callevents.db.models import EVENT_ID_ALPHABET, AuditEntry

#: The name of the value that has the Event IDs. Pages and exports do not show it as a change.
EVENT_IDS = "event_ids"
#: So that a text is not shortened, and the list has at most 100 of them for 6,000 hooks.
IDS_IN_A_TEXT = 60

#: What is recorded for many hooks instead of the same action on one.
BULK_ACTIONS: Mapping[Action, Action] = {
    Action.HOOK_CREATED: Action.HOOKS_ADDED,
    Action.HOOK_ENABLED: Action.HOOKS_ENABLED,
    Action.HOOK_DISABLED: Action.HOOKS_DISABLED,
    Action.HOOK_CLEARED: Action.HOOKS_CLEARED,
}


def of_hooks(count: int, pbx_id: int, extension_id: str | None = None) -> Target:
    """Return this number of hooks of a PBX as a target; the extension, if all are of one."""
    return Target(ObjectKind.HOOKS, "", counted(count, "request"), pbx_id, extension_id)


def list_event_ids(event_ids: Sequence[str]) -> list[str]:
    """Return the Event IDs as an entry has them: several in each text."""
    starts = range(0, len(event_ids), IDS_IN_A_TEXT)
    return [" ".join(event_ids[start : start + IDS_IN_A_TEXT]) for start in starts]


def names_hook(event_id: str) -> ColumnElement[bool]:
    """Return the condition for entries about several hooks, and this one among them."""
    text = cast(AuditEntry.after, String)
    is_id = set(event_id) <= set(EVENT_ID_ALPHABET)
    return and_(
        # The action's name begins an index; the kind has none.
        AuditEntry.action.in_(_ACTIONS),
        AuditEntry.object_kind == ObjectKind.HOOKS,
        text.contains(event_id if is_id else " no ID ", autoescape=True),
    )


_ACTIONS = tuple(action for action in Action if action.value.startswith("hooks.bulk_"))
