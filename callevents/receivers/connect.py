"""Connects extensions to a receiver: makes the requests of its recipe for them."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import func, select
from sqlalchemy.orm import joinedload

from callevents.audit.actions import Action
from callevents.counted import counted
from callevents.db.locks import lock_pbx
from callevents.db.models import Extension, Hook, Pbx, Receiver
from callevents.delivery.removal import Removed, remove_hooks
from callevents.enums import EventType
from callevents.errors import ConflictError, InvalidError
from callevents.extensions import db
from callevents.hooks.bulk.apply import record, record_added
from callevents.hooks.bulk.steps import HookRow
from callevents.hooks.hooks import HookBatch, HookData
from callevents.receivers.address import join_url
from callevents.receivers.making import make_options
from callevents.receivers.recipe_files import get_recipe
from callevents.receivers.recipes import Recipe, RecipeRequest

#: The place of a hook: its extension, or None for all extensions, and the recipe's request.
Place = tuple[str | None, str]
#: Requests that are made at once. All are in one transaction, which must not keep others waiting.
MAX_CONNECTED = 5_000


@dataclass(frozen=True)
class Connected:
    """The requests that were created, and those that existed already."""

    created: Sequence[Hook] = ()
    kept: Sequence[Hook] = ()
    #: To undo it; empty if nothing was created.
    change_id: str = ""


@dataclass
class _Connecting:
    """What one call of `connect` has done so far."""

    batch: HookBatch
    existing: Mapping[Place, Hook]
    #: The number of hooks by extension and event type.
    counts: Counter[tuple[str | None, EventType]]
    created: list[Hook] = field(default_factory=list)
    kept: dict[int, Hook] = field(default_factory=dict)

    def connect(self, extension: Extension | None, request: RecipeRequest, data: HookData) -> None:
        """Create the hook of a request, unless there is one that serves the extension."""
        extension_id = extension.id if extension else None
        for place in ((None, request.name), (extension_id, request.name)):
            if found := self.existing.get(place):
                self.kept[found.id] = found
                return
        event_type = EventType.from_slug(request.event)
        others = self.counts[extension_id, event_type]
        try:
            hook = self.batch.add(extension, event_type, data, others=others, is_recorded=False)
        except InvalidError as error:
            raise _name_request(error, request, extension) from None
        self.counts[extension_id, event_type] += 1
        self.created.append(hook)


def connect(
    receiver: Receiver,
    pbx: Pbx,
    extensions: Sequence[Extension] | None,
    requests: Collection[str] | None = None,
) -> Connected:
    """Make the requests of the receiver's recipe for these extensions, or for all (None).

    The history has one entry, and it can be undone as other changes of many requests.
    `requests`: the names of the recipe's requests; None: those that are made by default. A request
    that exists already is kept as it is. Raises ConflictError without a recipe, and InvalidError.
    The caller commits.
    """
    check_pbx(receiver, pbx)
    recipe = get_recipe_of(receiver)
    chosen = _choose(recipe, requests)
    _check_count(len(extensions or ()), len(chosen))
    # It locks the PBX: the address stays as it is until the transaction ends.
    batch = HookBatch(pbx)
    db.session.refresh(receiver)
    existing = _find_existing(receiver, pbx)
    connecting = _Connecting(batch, existing, _count(pbx))
    for request in chosen:
        data = _make_data(receiver, recipe, request)
        if extensions is None:
            _check_none_alone(existing, request)
            connecting.connect(None, request, data)
        for extension in extensions or ():
            connecting.connect(extension, request, data)
    db.session.flush()
    created = connecting.created
    change_id = record_added(created, _describe(receiver, created)) if created else ""
    return Connected(created, list(connecting.kept.values()), change_id)


def disconnect(
    receiver: Receiver, pbx: Pbx, extensions: Sequence[Extension] | None = None
) -> Removed:
    """Remove the receiver's requests of these extensions, or all that it has in the PBX (None).

    It can be undone for a while. The caller commits, and wakes the workers.
    """
    lock_pbx(db.session.connection(), pbx.id)
    query = select(Hook).where(Hook.receiver_id == receiver.id, Hook.pbx_id == pbx.id)
    if extensions is not None:
        query = query.where(Hook.extension_id.in_([one.id for one in extensions]))
    hooks = db.session.scalars(query.order_by(Hook.id)).all()
    if not hooks:
        return Removed()
    rows, values = [HookRow.of(hook) for hook in hooks], _describe(receiver, hooks)
    removed = remove_hooks(pbx.id, [hook.id for hook in hooks], is_recorded=False)
    record(Action.HOOKS_CLEARED, rows, values)
    return removed


def list_connected(receiver: Receiver) -> Sequence[Hook]:
    """Return the receiver's requests, with their PBXs and extensions loaded."""
    return db.session.scalars(
        select(Hook)
        .options(joinedload(Hook.pbx), joinedload(Hook.extension))
        .where(Hook.receiver_id == receiver.id)
        .order_by(Hook.pbx_id, Hook.extension_id, Hook.event_type, Hook.id)
    ).all()


def check_pbx(receiver: Receiver, pbx: Pbx) -> None:
    """Raise InvalidError if the receiver is that of another PBX."""
    if receiver.pbx_id not in (None, pbx.id):
        raise InvalidError.of("pbx", f"{receiver.name} is a receiver of another PBX.")


def get_recipe_of(receiver: Receiver) -> Recipe:
    """Return the receiver's recipe; raises ConflictError without one, NotFoundError if it is gone.

    A recipe is gone if its file was removed from the folder in the settings.
    """
    if not receiver.recipe:
        raise ConflictError(
            f"{receiver.name} has no recipe, so nobody knows which requests it takes. Add its "
            "requests one by one: choose the receiver in their options, and let their URLs begin "
            "with its address."
        )
    return get_recipe(receiver.recipe)


def _make_data(receiver: Receiver, recipe: Recipe, request: RecipeRequest) -> HookData:
    return HookData(
        join_url(receiver.address, request.path),
        request.method,
        note=f"{recipe.name}: {request.label}",
        options=make_options(recipe, request),
        receiver_id=receiver.id,
        recipe_request=request.name,
    )


def _describe(receiver: Receiver, hooks: Sequence[Hook]) -> Mapping[str, object]:
    """Return what the history says of requests that are created or removed together."""
    counts = Counter(hook.recipe_request or hook.event_type.slug for hook in hooks)
    numbers = dict.fromkeys(hook.extension.number for hook in hooks if hook.extension)
    return {"receiver": receiver.name, "requests": dict(counts), "extensions": list(numbers)}


def _choose(recipe: Recipe, names: Collection[str] | None) -> Sequence[RecipeRequest]:
    """Return the requests with these names; raises InvalidError about `requests`."""
    known = {request.name: request for request in recipe.requests}
    if names is None:
        return [request for request in recipe.requests if request.is_default]
    for name in names:
        if name not in known:
            raise InvalidError.of(
                "requests", f"{recipe.name} has no request {name!r}. It has: {', '.join(known)}."
            )
    if not names:
        raise InvalidError.of("requests", "Choose at least one request.")
    return [known[name] for name in dict.fromkeys(names)]


def _check_count(extensions: int, requests: int) -> None:
    if extensions * requests > MAX_CONNECTED:
        raise InvalidError.of(
            "extensions",
            f"{extensions:,} extensions with {requests:,} requests each are "
            f"{extensions * requests:,} requests, and at most {MAX_CONNECTED:,} can be made at "
            "once. Connect in parts.",
        )


def _find_existing(receiver: Receiver, pbx: Pbx) -> Mapping[Place, Hook]:
    query = select(Hook).where(Hook.receiver_id == receiver.id, Hook.pbx_id == pbx.id)
    return {(hook.extension_id, hook.recipe_request): hook for hook in db.session.scalars(query)}


def _check_none_alone(existing: Mapping[Place, Hook], request: RecipeRequest) -> None:
    """Raise ConflictError if single extensions have the request: they would send it twice."""
    count = sum(
        name == request.name and extension_id is not None for extension_id, name in existing
    )
    if count:
        raise ConflictError(
            f"{counted(count, 'extension')} {'is' if count == 1 else 'are'} connected "
            "already, and would send each request twice. Disconnect "
            f"{'it' if count == 1 else 'them'} first."
        )


def _count(pbx: Pbx) -> Counter[tuple[str | None, EventType]]:
    query = (
        select(Hook.extension_id, Hook.event_type, func.count())
        .where(Hook.pbx_id == pbx.id)
        .group_by(Hook.extension_id, Hook.event_type)
    )
    return Counter({(row[0], row[1]): row[2] for row in db.session.execute(query)})


def _name_request(
    error: InvalidError, request: RecipeRequest, extension: Extension | None
) -> InvalidError:
    """Return the error with the request and the extension that it is about."""
    whom = f"extension {extension.number}" if extension else "all extensions"
    return InvalidError.of("requests", f"{request.label}, {whom}: {error}")
