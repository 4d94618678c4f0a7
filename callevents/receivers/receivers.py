"""Use cases on receivers: add, change, remove, list."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import joinedload

from callevents import audit
from callevents.audit.targets import of_receiver
from callevents.counted import counted
from callevents.db.locks import lock_pbx
from callevents.db.models import Hook, Pbx, Receiver
from callevents.delivery.reroute import retry_now
from callevents.errors import ConflictError, InvalidError, NotFoundError
from callevents.extensions import db
from callevents.receivers.data import ReceiverData
from callevents.receivers.history import receiver_values
from callevents.receivers.left_out import find_left_out
from callevents.receivers.moving import lock_hooks, move_hooks, resume_hooks
from callevents.receivers.storing import store
from callevents.receivers.validation import Kept, check_receiver
from callevents.users.rights import EVERYTHING, Scope
from callevents.validation import make_slug

#: Paths of pages that are not a receiver's.
RESERVED_SLUGS = frozenset({"new", "new-address"})


def list_receivers(scope: Scope = EVERYTHING, pbx: Pbx | None = None) -> Sequence[Receiver]:
    """Return the receivers in the scope by name; with `pbx`, those that its requests can use."""
    query = select(Receiver).options(joinedload(Receiver.pbx)).where(scope.of_receivers())
    if pbx is not None:
        query = query.where(Receiver.pbx_id.is_(None) | (Receiver.pbx_id == pbx.id))
    return db.session.scalars(query.order_by(func.lower(Receiver.name), Receiver.id)).all()


def get_receiver(slug: str, scope: Scope = EVERYTHING) -> Receiver:
    """Return the receiver if it is in the scope; raises NotFoundError."""
    query = select(Receiver).where(Receiver.slug == slug, scope.of_receivers())
    receiver = db.session.scalar(query) if slug.isprintable() else None
    if receiver is None:
        raise NotFoundError(f"There is no receiver {slug!r}.")
    return receiver


def create_receiver(data: ReceiverData, slug: str | None = None) -> Receiver:
    """Add a receiver; raises InvalidError.

    The slug follows from the name if there is none. One that is given must be valid and free.
    """
    if data.pbx_id is not None:
        lock_pbx(db.session.connection(), data.pbx_id)
    kept = Kept()
    checked = check_receiver(data, kept)
    _check_name_is_free(checked.data.name)
    receiver = Receiver(slug=_choose_slug(checked.data.name, slug))
    store(receiver, checked, kept)
    db.session.add(receiver)
    db.session.flush()
    target = of_receiver(receiver)
    audit.record(audit.Action.RECEIVER_ADDED, target, after=receiver_values(receiver))
    return receiver


class Updated(NamedTuple):
    """What a change of a receiver did to its requests: how many have another URL, or go on."""

    moved: int
    resumed: int


def update_receiver(receiver: Receiver, data: ReceiverData) -> Updated:
    """Replace the values of a receiver; secrets that `data` leaves out are kept.

    If the address changes, so do the URLs of its requests, and what waits for them uses these. New
    secrets, or another address, resume requests that are suspended, unless a secret that was left
    out of an import is still missing. The caller commits and wakes the workers. Raises
    InvalidError.
    """
    hooks = lock_receiver(receiver)
    if data.pbx_id != receiver.pbx_id:
        raise InvalidError.of("pbx", "The PBX of a receiver cannot change.")
    kept = Kept.of(receiver)
    checked = check_receiver(data, kept)
    _check_name_is_free(checked.data.name, other_than=receiver)
    before = receiver_values(receiver)
    lacked = bool(find_left_out(receiver))
    has_new_secrets = store(receiver, checked, kept)
    is_moved = receiver.address != kept.address
    if is_moved:
        move_hooks(receiver, hooks, kept.address)
    resumed = resume_hooks(hooks) if is_moved or has_new_secrets else 0
    if lacked and not find_left_out(receiver):
        retry_now([hook.id for hook in hooks])
    db.session.flush()
    action, target = audit.Action.RECEIVER_CHANGED, of_receiver(receiver)
    audit.record_change(action, target, before, receiver_values(receiver))
    return Updated(len(hooks) if is_moved else 0, resumed)


def remove_receiver(receiver: Receiver) -> None:
    """Remove a receiver, with its user map; raises ConflictError if it has requests."""
    lock_receiver(receiver)
    if count := count_hooks(receiver):
        raise ConflictError(
            f"{receiver.name} has {counted(count, 'request')}. Clear "
            f"{'them' if count != 1 else 'it'} first, or disconnect its extensions."
        )
    target = of_receiver(receiver)
    audit.record(audit.Action.RECEIVER_REMOVED, target, before=receiver_values(receiver))
    db.session.delete(receiver)
    db.session.flush()


def lock_receiver(receiver: Receiver) -> Sequence[Hook]:
    """Lock the receiver and its requests; return these. Raises NotFoundError."""
    hooks = lock_hooks(receiver)
    if not db.session.get(Receiver, receiver.id, with_for_update=True, populate_existing=True):
        raise NotFoundError("The receiver has been removed.")
    return hooks


def count_hooks(receiver: Receiver) -> int:
    """Return the number of requests of a receiver."""
    query = select(func.count()).where(Hook.receiver_id == receiver.id)
    return db.session.scalar(query) or 0


def read_data(receiver: Receiver) -> ReceiverData:
    """Return the values of a receiver without secrets, so that storing them keeps the secrets."""
    kept = Kept.of(receiver)
    return ReceiverData(
        receiver.name,
        receiver.address,
        receiver.recipe,
        receiver.pbx_id,
        {name: None if name in kept.secret_names else kept.values[name] for name in kept.values},
        kept.secret_names,
        receiver.auth,
        None,
        receiver.client_certificate,
        None,
        receiver.max_in_flight,
        receiver.max_per_second,
    )


def _check_name_is_free(name: str, other_than: Receiver | None = None) -> None:
    for receiver in db.session.scalars(select(Receiver)):
        if receiver is not other_than and receiver.name.casefold() == name.casefold():
            message = "Another receiver has this name. Choose a different one."
            raise InvalidError.of("name", message)


def _choose_slug(name: str, slug: str | None) -> str:
    taken = {*db.session.scalars(select(Receiver.slug)), *RESERVED_SLUGS}
    if slug is not None and slug != make_slug(slug, taken, default=""):
        message = f"Another receiver has the short name {slug!r}, or it is invalid."
        raise InvalidError.of("slug", message)
    return slug or make_slug(name, taken, default="receiver")
