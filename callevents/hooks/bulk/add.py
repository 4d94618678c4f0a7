"""Creates the same hook for many extensions."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import func, select

from callevents.db.models import Extension, Hook, Pbx
from callevents.delivery.request.masking import mask_url
from callevents.enums import EventType, HookScope
from callevents.errors import InvalidError
from callevents.extensions import cipher, db
from callevents.hooks.bulk.apply import record_added
from callevents.hooks.hooks import MAX_HOOKS_PER_TYPE, HookBatch, HookData
from callevents.hooks.signing_secret import make_secret
from callevents.users.rights import EVERYTHING, Scope

MAX_EXTENSIONS = 1_000


@dataclass(frozen=True)
class Added:
    """The hooks that were created. `full`: extensions that have the maximum already."""

    hooks: Sequence[Hook]
    full: Sequence[Extension]
    #: To undo it.
    id: str
    #: The new signing secret; empty without one.
    secret: str = field(default="", repr=False)


def add_for_many(
    pbx: Pbx,
    extensions: Sequence[Extension],
    event_type: EventType,
    data: HookData,
    *,
    is_signed: bool = False,
    scope: Scope = EVERYTHING,
) -> Added:
    """Create a hook for each extension, with one entry of the history; the caller commits.

    `is_signed`: all get the same new signing secret, as they have the same receiver. `scope`: what
    the user may edit. Raises InvalidError about a value, or if the quota has no room for all.
    """
    if not 1 <= len(extensions) <= MAX_EXTENSIONS:
        raise InvalidError.of("event", f"Choose 1 to {MAX_EXTENSIONS:,} extensions.")
    batch = HookBatch(pbx, scope)
    counts = _count_hooks(extensions, event_type)
    full = [one for one in extensions if counts[one.id] >= MAX_HOOKS_PER_TYPE]
    left_out = {one.id for one in full}
    hooks = [
        batch.add(one, event_type, data, others=counts[one.id], is_recorded=False)
        for one in extensions
        if one.id not in left_out
    ]
    if not hooks:
        message = f"All of these extensions have {MAX_HOOKS_PER_TYPE} requests for this event."
        raise InvalidError.of("event", message)
    secret = make_secret() if is_signed else ""
    for hook in hooks if secret else ():
        hook.signing_secret = cipher.encrypt(secret)
    db.session.flush()
    _send_once_together(hooks)
    numbers = [one.number for one in extensions if one.id not in left_out]
    values = {"event": event_type.slug, "url": mask_url(hooks[0].url), "extensions": numbers}
    return Added(hooks, full, record_added(hooks, values), secret)


def _send_once_together(hooks: Sequence[Hook]) -> None:
    """Let those that are sent once per call be sent once for all of these extensions."""
    first = hooks[0]
    if first.scope is HookScope.CALL and first.once_id is None:
        for hook in hooks[1:]:
            hook.once_id = first.id
        db.session.flush()


def _count_hooks(extensions: Sequence[Extension], event_type: EventType) -> Counter[str]:
    query = (
        select(Hook.extension_id, func.count())
        .where(Hook.extension_id.in_([one.id for one in extensions]), Hook.event_type == event_type)
        .group_by(Hook.extension_id)
    )
    return Counter({row[0] or "": row[1] for row in db.session.execute(query)})
