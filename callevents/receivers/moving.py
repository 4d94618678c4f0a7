"""Changes the requests of a receiver with its address, and what waits for them."""

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import select

from callevents.counted import counted
from callevents.db.locks import lock_pbx
from callevents.db.models import Delivery, Hook, Pbx, Receiver
from callevents.delivery import reroute
from callevents.delivery.hold import is_waiting_of
from callevents.delivery.request.url import check_url, origin_of
from callevents.enums import AuthKind
from callevents.errors import InvalidError
from callevents.extensions import cipher, db
from callevents.hooks.hooks import get_or_create_origin
from callevents.hooks.options import stored_headers
from callevents.hooks.suspension import ENTER_SECRETS, resume_if_complete
from callevents.receivers.address import move_url
from callevents.receivers.recipe_files import find_recipe
from callevents.receivers.recipes import Recipe

#: Headers of these names have no secrets.
_PLAIN_HEADERS = frozenset({"accept", "accept-language", "user-agent"})
_OWN_SECRETS = frozenset({AuthKind.BASIC, AuthKind.BEARER, AuthKind.SCHEME})


def lock_hooks(receiver: Receiver) -> Sequence[Hook]:
    """Lock the PBXs that can use the receiver, and its requests; return these.

    In the order of all changes, so that two transactions do not wait for each other: PBXs first.
    With the PBXs locked, nobody can add a request to it, or give it to one: who does locks its PBX.
    """
    query = select(Pbx.id).where(Pbx.removing_at.is_(None)).order_by(Pbx.id)
    if receiver.pbx_id is not None:
        query = query.where(Pbx.id == receiver.pbx_id)
    for pbx_id in db.session.scalars(query).all():
        lock_pbx(db.session.connection(), pbx_id)
    return db.session.scalars(
        select(Hook)
        .where(Hook.receiver_id == receiver.id)
        .order_by(Hook.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()


def move_hooks(receiver: Receiver, hooks: Sequence[Hook], old: str) -> None:
    """Let the URLs begin with the receiver's new address instead of the old one.

    Raises InvalidError about `address`.
    """
    recipe = find_recipe(receiver.recipe)
    is_elsewhere = origin_of(receiver.address) != origin_of(old)
    if is_elsewhere and (count := sum(_has_own_secrets(hook, recipe) for hook in hooks)):
        raise InvalidError.of(
            "address",
            f"{counted(count, 'request')} of this receiver "
            f"{'has' if count == 1 else 'have'} headers or credentials of "
            f"{'its' if count == 1 else 'their'} own, which were entered for another address. "
            "Remove these from the requests first.",
        )
    for hook in hooks:
        hook.url = _check_moved(move_url(hook.url, old, receiver.address))
    origin_id = get_or_create_origin(receiver.address)
    for hook in hooks:
        hook.origin_id = origin_id
    db.session.flush()
    waiting = _find_waiting([hook.id for hook in hooks])
    for hook in hooks:
        if hook.id in waiting:
            reroute.update_target(hook)
            if is_elsewhere:
                reroute.update_ordering_keys(hook)


def resume_hooks(hooks: Sequence[Hook]) -> int:
    """Resume those that are suspended: what was wrong has been corrected. Return their number.

    Not those that miss secrets of their own, and none while the receiver misses one.
    """
    return sum(
        resume_if_complete(hook)
        for hook in hooks
        if not hook.suspended_reason.endswith(ENTER_SECRETS)
    )


def _check_moved(url: str) -> str:
    try:
        return check_url(url, "address").url
    except InvalidError as error:
        message = f"A request of this receiver would have no valid URL. {error}"
        raise InvalidError.of("address", message) from None


def _has_own_secrets(hook: Hook, recipe: Recipe | None) -> bool:
    if hook.auth in _OWN_SECRETS:
        return True
    known = _headers_of(hook, recipe)
    return any(
        name.lower() not in _PLAIN_HEADERS and known.get(name) != cipher.bound.decrypt(token)
        for name, token in stored_headers(hook)
    )


def _headers_of(hook: Hook, recipe: Recipe | None) -> Mapping[str, str]:
    """Return the headers that the hook has from its recipe: these are no secrets."""
    requests = recipe.requests if recipe else ()
    return next((one.headers for one in requests if one.name == hook.recipe_request), {})


def _find_waiting(hook_ids: Sequence[int]) -> Collection[int]:
    """Return the IDs of the requests for which deliveries wait."""
    if not hook_ids:
        return ()
    query = select(Delivery.hook_id).where(is_waiting_of(hook_ids)).distinct()
    return set(db.session.scalars(query))
