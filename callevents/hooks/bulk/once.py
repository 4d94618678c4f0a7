"""Which hooks are still sent once per call together when some of them move to a receiver."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from sqlalchemy import func, select

from callevents.db.models import Hook
from callevents.enums import HookScope
from callevents.extensions import db


def find_once_ids(moving: Sequence[Hook]) -> Mapping[int, int | None]:
    """Return the `once_id` of those that move and are sent once per call, by their IDs.

    Those that were sent together stay so, without those that do not move with them.
    """
    groups: dict[tuple[int, int], list[Hook]] = defaultdict(list)
    for hook in moving:
        if hook.scope is HookScope.CALL:
            groups[hook.pbx_id, hook.once_id or hook.id].append(hook)
    sizes = _count({pbx_id for pbx_id, _once_id in groups})
    found: dict[int, int | None] = {}
    for key, hooks in groups.items():
        if len(hooks) >= sizes[key]:
            found |= {hook.id: hook.once_id for hook in hooks}
            continue
        # The others keep the ID. No hook has a negative one: the first is alone with it.
        ids = sorted(hook.id for hook in hooks)
        other = next(one for one in (*ids, -ids[0]) if one != key[1])
        found |= {hook.id: other for hook in hooks}
    return found


def _count(pbx_ids: set[int]) -> Mapping[tuple[int, int], int]:
    once_id = func.coalesce(Hook.once_id, Hook.id)
    query = (
        select(Hook.pbx_id, once_id, func.count())
        .where(Hook.pbx_id.in_(pbx_ids), Hook.scope == HookScope.CALL)
        .group_by(Hook.pbx_id, once_id)
    )
    return {(pbx_id, one): count for pbx_id, one, count in db.session.execute(query)}
