"""The receiver of a hook: the rules for hooks that have one, and what requests take from it."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from typing import Any

from sqlalchemy import select

from callevents.db.models import Hook, Receiver, ReceiverUser
from callevents.delivery.request.build import RequestTemplate
from callevents.delivery.request.load import read_template
from callevents.delivery.request.masking import mask_url
from callevents.delivery.request.placeholders import find_placeholders
from callevents.delivery.request.receiver import ReceiverTemplate, read_receiver, read_values
from callevents.delivery.request.url import begins_with
from callevents.enums import AuthKind, BodyFormat, Method
from callevents.errors import InvalidError
from callevents.extensions import db
from callevents.hooks.options import HookOptions, read_options
from callevents.security.encryption import Cipher
from callevents.users.rights import Scope

_ANSWER = re.compile(r"\{answer\.[A-Za-z0-9_]+")
#: At the beginning of a placeholder, or as the argument of a filter.
_NAME = re.compile(r"[{:]receiver\.([A-Za-z0-9_]+)")
#: Its values are in the user map of a receiver.
USER_FILTER = "user"
NEEDS_PBX = (
    "This needs the right to change all requests of the PBX, because the request uses the "
    "credentials of a receiver."
)
#: Options that say when a request is sent, and not what.
_WHEN = ("give_up_seconds", "in_order", "conditions")


def find_receiver(hook: Hook) -> Receiver | None:
    """Return the receiver of the hook, None if it has a plain URL."""
    return None if hook.receiver_id is None else db.session.get(Receiver, hook.receiver_id)


@contextmanager
def keeping_receivers(hooks: Iterable[Any], also: Iterable[int | None] = ()) -> Iterator[None]:
    """Read the receivers of these hooks at once; within it, finding them needs no query.

    `also`: the IDs of others.
    """
    ids = {hook.receiver_id for hook in hooks} | set(also)
    ids.discard(None)
    # The session itself keeps only what something else refers to.
    kept = db.session.scalars(select(Receiver).where(Receiver.id.in_(ids))).all() if ids else ()
    yield
    del kept


def read_stored_template(hook: Hook, cipher: Cipher) -> RequestTemplate:
    """Return the template of a hook with its receiver's values; raises UnreadableError."""
    receiver = find_receiver(hook)
    return read_template(
        hook, cipher, read_receiver_template(receiver, hook.pbx_id, cipher) if receiver else None
    )


def read_receiver_template(receiver: Receiver, pbx_id: int, cipher: Cipher) -> ReceiverTemplate:
    """Return what requests of the PBX take from the receiver; raises UnreadableError."""
    chosen = (ReceiverUser.receiver_id == receiver.id, ReceiverUser.pbx_id == pbx_id)
    rows = db.session.execute(select(ReceiverUser.number, ReceiverUser.user).where(*chosen))
    return read_receiver(receiver, cipher, {row.number: row.user for row in rows})


def read_again(receiver_id: int | None) -> None:
    """Read a receiver again after its PBX was locked: its address may have changed since.

    With the PBX locked, it stays as it is, and there. Raises InvalidError if it has been removed.
    """
    if receiver_id is None:
        return
    query = select(Receiver).where(Receiver.id == receiver_id)
    if db.session.scalar(query.execution_options(populate_existing=True)) is None:
        raise InvalidError.of("receiver", "There is no such receiver.")


def check_use(pbx_id: int, receiver_id: int | None, url: str, options: HookOptions) -> None:
    """Raise InvalidError if a hook of the PBX cannot have this receiver, URL and options."""
    receiver = None
    if receiver_id is not None:
        # As it is now: its address may have changed until the PBX was locked.
        receiver = db.session.get(Receiver, receiver_id, populate_existing=True)
    if receiver is None:
        _check_without(receiver_id, url, options)
        return
    if receiver.pbx_id not in (None, pbx_id):
        raise InvalidError.of("receiver", f"{receiver.name} is a receiver of another PBX.")
    if url and not begins_with(url, receiver.address):
        raise InvalidError.of(
            "url",
            f"The URL must begin with the address of {receiver.name}: "
            f"{mask_url(receiver.address)}.",
        )
    _check_order(url, options)
    known = {one.name for one in read_values(receiver.values)}
    for field, text in _texts(url, options):
        for name in _NAME.findall(text):
            if name not in known:
                raise InvalidError.of(field, _unknown(receiver, name, known))


def may_choose(scope: Scope, pbx_id: int, receiver_id: int | None) -> bool:
    """Return True if a user with this scope may choose what requests of the PBX send there.

    The owner of one extension may not: that would be free use of the receiver's credentials.
    """
    return receiver_id is None or scope.has_pbx(pbx_id)


def may_see_url(scope: Scope, hook: Hook) -> bool:
    """Return True if a user with this scope may see the secrets in the hook's URL.

    In requests of many receivers, the URL is the credential.
    """
    return may_choose(scope, hook.pbx_id, hook.receiver_id)


def read_hidden_url(entered: str, stored: str) -> str:
    """Return the stored URL for the masked one, which is what the user sees of it.

    Raises InvalidError for any other, even the stored one itself: secrets in it could be guessed.
    """
    if entered != mask_url(stored):
        raise InvalidError.of("receiver", NEEDS_PBX)
    return stored


def check_choice(scope: Scope, pbx_id: int, receiver_id: int | None) -> None:
    """Raise InvalidError unless `may_choose`."""
    if not may_choose(scope, pbx_id, receiver_id):
        raise InvalidError.of("receiver", NEEDS_PBX)


def check_kept(
    scope: Scope,
    hook: Hook,
    receiver_id: int | None,
    method: Method,
    url: str,
    options: HookOptions,
) -> None:
    """Raise InvalidError if these values change what the hook sends, unless `may_choose`.

    Such users may still change its note, and when it is sent.
    """
    for one in (hook.receiver_id, receiver_id):
        if not may_choose(scope, hook.pbx_id, one):
            break
    else:
        return
    stored = read_options(hook)
    options = replace(options, **{name: getattr(stored, name) for name in _WHEN})
    is_same = all(
        getattr(options, one.name) == getattr(stored, one.name) for one in fields(HookOptions)
    )
    target = (hook.receiver_id, hook.method, hook.url)
    if not is_same or target != (receiver_id, method, url):
        raise InvalidError.of("receiver", NEEDS_PBX)


def _check_order(url: str, options: HookOptions) -> None:
    """Raise InvalidError if values of answers are kept or used without an order.

    The answer to one request must be there before the next one is built.
    """
    if not options.in_order and (options.answers.pointers or _find_answer(url, options)):
        raise InvalidError.of(
            "in_order",
            "Requests that keep values of answers, or use them, must be sent in the order of the "
            "call.",
        )


def _find_answer(url: str, options: HookOptions) -> str:
    """Return the first placeholder of a kept value, empty without one."""
    for _field, text in _texts(url, options):
        if found := _ANSWER.search(text):
            return found[0]
    return ""


def _check_without(receiver_id: int | None, url: str, options: HookOptions) -> None:
    if receiver_id is not None:
        raise InvalidError.of("receiver", "There is no such receiver.")
    if options.credentials.kind is AuthKind.RECEIVER:
        raise InvalidError.of("authentication", "The request belongs to no receiver.")
    for field, text in _texts(url, options):
        if found := _ANSWER.search(text):
            raise InvalidError.of(
                field, f"{found[0]}}} stands for nothing: the request has no receiver."
            )
        if found := _NAME.search(text):
            raise InvalidError.of(
                field, f"{{receiver.{found[1]}}} stands for nothing: the request has no receiver."
            )
        for placeholder in find_placeholders(text):
            if any(name == USER_FILTER for name, _argument in placeholder.steps):
                raise InvalidError.of(
                    field,
                    f"{placeholder.source} is always empty: the request has no receiver, whose "
                    "user map would say who an extension is.",
                )


def _texts(url: str, options: HookOptions) -> Iterator[tuple[str, str]]:
    """Yield the texts that are sent and may have placeholders, with the names of their fields."""
    yield "url", url
    if options.body_format is BodyFormat.TEMPLATE:
        yield "body_template", options.body_template.text
    for number, header in enumerate(options.headers, start=1):
        yield f"header {number}", header.value or ""


def _unknown(receiver: Receiver, name: str, known: Iterable[str]) -> str:
    names = ", ".join(f"{{receiver.{one}}}" for one in sorted(known))
    there = f"It has {names}." if names else "It has none."
    return f"{receiver.name} has no value {name!r}. {there}"
