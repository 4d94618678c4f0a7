"""Makes the requests of an extension, or those for all extensions, like those of a document."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import select

from callevents import audit
from callevents.audit.targets import of_hook
from callevents.conditions.document import describe_conditions, read_conditions
from callevents.db.models import Extension, Hook, Pbx, Receiver, utc_now
from callevents.delivery.request.left_out import NOT_IMPORTED
from callevents.delivery.request.masking import mask_url
from callevents.delivery.request.url import begins_with, check_url
from callevents.enums import AuthKind
from callevents.extensions import db
from callevents.hooks import hooks, signing_secret
from callevents.hooks.condition_check import check_conditions
from callevents.hooks.options import (
    Answers,
    BodyTemplate,
    Credentials,
    CustomHeader,
    HookOptions,
)
from callevents.hooks.suspension import ENTER_SECRETS, WAITS_FOR_RECEIVER
from callevents.hooks.validation import check_note
from callevents.operations.configuration.batches import batches_of
from callevents.operations.configuration.changes import (
    Changes,
    Done,
    Kind,
    error_at,
    errors_at,
)
from callevents.operations.configuration.document import ConfiguredHook, new_data
from callevents.operations.configuration.export import describe_hook
from callevents.operations.configuration.receiver_import import (
    ImportedReceivers,
)
from callevents.security.masking import MASK

TAKEN = "Another request has this Event ID."
SUSPENDED = f"Imported without its secrets. {ENTER_SECRETS}"

#: Kinds of authentication for which a hook has no secret of its own.
WITHOUT_SECRET = (AuthKind.NONE, AuthKind.RECEIVER)

Pair = tuple[str, ConfiguredHook, Hook | None]


class NewEventIds:
    """The Event IDs that a document gives to new requests."""

    def __init__(self, wanted: Iterable[str]) -> None:
        self._stored: set[str] = set()
        for some in batches_of(wanted):
            query = select(Hook.event_id).where(Hook.event_id.in_(some))
            self._stored.update(db.session.scalars(query))
        self._claimed: set[str] = set()

    def claim(self, event_id: str, pointer: str) -> None:
        """Keep the Event ID for a new request; raises DocumentError if another one has it."""
        if event_id in self._claimed or (event_id in self._stored and _is_stored(event_id)):
            raise error_at(f"{pointer}/event_id", TAKEN)
        self._claimed.add(event_id)


def _is_stored(event_id: str) -> bool:
    """Return True unless the request has been removed meanwhile."""
    return db.session.scalar(select(Hook.id).where(Hook.event_id == event_id)) is not None


@dataclass(frozen=True)
class Place:
    """Where requests belong: to an extension, or to all of the PBX (None)."""

    pbx: Pbx
    extension: Extension | None
    pointer: str
    batch: hooks.HookBatch
    event_ids: NewEventIds
    receivers: ImportedReceivers

    def find_receiver(self, request: ConfiguredHook) -> Receiver | None:
        """Return the receiver that the request names, None without one; raises InvalidError."""
        return self.receivers.find(request.receiver) if request.receiver else None

    @property
    def name(self) -> str:
        """The place in words, such as `head-office 101`."""
        return f"{self.pbx.slug} {self.extension.number if self.extension else '*'}"


def set_hooks(
    place: Place,
    wanted: Sequence[ConfiguredHook],
    existing: Sequence[Hook],
    changes: Changes,
    *,
    prune: bool,
) -> None:
    """Add and change requests of a place that has the `existing` ones; `prune` removes others.

    Raises DocumentError.
    """
    pairs = list(_pair(place, wanted, existing))
    kept = {hook.id for _pointer, _request, hook in pairs if hook is not None}
    if prune and (left := [hook for hook in existing if hook.id not in kept]):
        for hook in left:
            changes.add(Done.REMOVED, Kind.HOOK, place.name, hook.event_type.slug)
        hooks.clear_hooks(left)
        place.batch.count_again()
    others = Counter(hook.event_type for hook in existing if not prune or hook.id in kept)
    for pointer, request, found in pairs:
        with errors_at(pointer):
            if found is None:
                _add(place, request, changes, others[request.event_type])
                others[request.event_type] += 1
            else:
                _change(place, pointer, request, found, changes)


def _pair(
    place: Place, wanted: Sequence[ConfiguredHook], existing: Sequence[Hook]
) -> Iterator[Pair]:
    """Yield each request with its hook: by Event ID, or else by URL, or the only one left."""
    left = {hook.event_id: hook for hook in existing}
    numbered = [(f"{place.pointer}/{number}", one) for number, one in enumerate(wanted)]
    anonymous: list[tuple[str, ConfiguredHook]] = []
    for pointer, request in numbered:
        if request.event_id is None:
            anonymous.append((pointer, _normalize(request, pointer)))
            continue
        hook = left.pop(request.event_id, None)
        if hook is None:
            place.event_ids.claim(request.event_id, pointer)
        elif hook.event_type is not request.event_type:
            raise error_at(f"{pointer}/event", "The event of a request cannot change.")
        yield pointer, _normalize(request, pointer), hook
    unmatched: list[tuple[str, ConfiguredHook]] = []
    for pointer, request in anonymous:
        same = [hook for hook in left.values() if _is_same(hook, request)]
        if same:
            yield pointer, request, left.pop(same[0].event_id)
        else:
            unmatched.append((pointer, request))
    for pointer, request in unmatched:
        rivals = [one for _pointer, one in unmatched if one.event == request.event]
        found = [hook for hook in left.values() if hook.event_type is request.event_type]
        is_only = len(rivals) == len(found) == 1
        yield pointer, request, left.pop(found[0].event_id) if is_only else None


def _is_same(hook: Hook, request: ConfiguredHook) -> bool:
    return hook.event_type is request.event_type and mask_url(hook.url) == mask_url(request.url)


def _normalize(request: ConfiguredHook, pointer: str) -> ConfiguredHook:
    """Return the request with URL, note and conditions as they are stored."""
    conditions = read_conditions(request.conditions)
    with errors_at(pointer):
        values = {
            "url": check_url(request.url).url,
            "note": check_note(request.note),
            "conditions": describe_conditions(check_conditions(conditions, request.event_type)),
        }
    return request.model_copy(update=values)


def _add(place: Place, request: ConfiguredHook, changes: Changes, others: int) -> None:
    receiver = place.find_receiver(request)
    missing = [f"header {name}" for name in request.headers]
    if request.authentication not in WITHOUT_SECRET:
        missing.append("credentials")
    if receiver:
        url = with_address(request.url, receiver.address)
        request = request.model_copy(update={"url": url})
    if MASK in request.url.removeprefix(receiver.address if receiver else ""):
        missing.append("url")
    options = _options(
        request,
        [CustomHeader(name, NOT_IMPORTED) for name in request.headers],
        _placeholder(request.authentication),
    )
    data = new_data(request, options, receiver.id if receiver else None)
    new = (place.extension, request.event_type, data, request.event_id)
    hook = place.batch.add(*new, others=others)
    if request.is_signed:
        # It looks for its extension.
        db.session.flush()
        signing_secret.rotate_secret(hook)
        missing.append("signing secret")
    reason = SUSPENDED if missing else ""
    if receiver and place.receivers.lacks_secrets(receiver):
        reason = reason or WAITS_FOR_RECEIVER
    if reason:
        hook.suspended_at, hook.suspended_reason = utc_now(), reason
        target = of_hook(hook, place.extension)
        audit.record(audit.Action.HOOK_SUSPENDED, target, after={"reason": reason})
    names = (place.name, request.event)
    changes.add(Done.ADDED, Kind.HOOK, *names, missing=tuple(missing), key=hook.event_id)


def with_address(url: str, address: str) -> str:
    """Return the URL beginning with a receiver's address, of which a document masks secrets."""
    masked = mask_url(address)
    return address + url[len(masked) :] if begins_with(url, masked) else url


def _placeholder(kind: AuthKind) -> Credentials:
    if kind in WITHOUT_SECRET:
        return Credentials(kind)
    username = "" if kind is AuthKind.BEARER else NOT_IMPORTED
    return Credentials(kind, username, NOT_IMPORTED)


def _change(
    place: Place, pointer: str, request: ConfiguredHook, hook: Hook, changes: Changes
) -> None:
    # Whether it is sent with another one is compared when all are there.
    current = describe_hook(hook, request.once_with)
    wanted = request.model_copy(update={"event_id": hook.event_id, "url": mask_url(request.url)})
    url = hook.url if wanted.url == current.url and MASK in request.url else request.url
    fields = [name for name in type(wanted).model_fields if _differs(name, wanted, current)]
    if url != hook.url and "url" not in fields:
        # Only the part that is masked differs.
        fields.append("url")
    if not fields:
        return
    _check_secrets(pointer, wanted, current, url)
    headers = [CustomHeader(name) for name in request.headers]
    options = _options(request, headers, Credentials(request.authentication))
    receiver = place.find_receiver(request)
    receiver_id = receiver.id if receiver else None
    data = new_data(request.model_copy(update={"url": url}), options, receiver_id)
    hooks.update_hook(hook, data)
    missing: tuple[str, ...] = ()
    if request.is_signed and not hook.signing_secret:
        signing_secret.rotate_secret(hook)
        missing = ("signing secret",)
    elif not request.is_signed and hook.signing_secret:
        signing_secret.remove_secret(hook)
    changes.add(
        Done.CHANGED,
        Kind.HOOK,
        place.name,
        request.event,
        fields=tuple(sorted(fields)),
        missing=missing,
        key=hook.event_id,
    )


def _differs(name: str, one: ConfiguredHook, other: ConfiguredHook) -> bool:
    if name == "headers":
        return {*map(str.lower, one.headers)} != {*map(str.lower, other.headers)}
    return bool(getattr(one, name) != getattr(other, name))


def _check_secrets(pointer: str, wanted: ConfiguredHook, current: ConfiguredHook, url: str) -> None:
    """Raise DocumentError if the change needs a secret, which no document has."""
    if MASK in url:
        raise error_at(f"{pointer}/url", f"Write the URL with its secret in the place of {MASK}.")
    if wanted.authentication not in (*WITHOUT_SECRET, current.authentication):
        raise error_at(
            f"{pointer}/authentication", "A document has no credentials. Set them elsewhere first."
        )
    known = {name.lower() for name in current.headers}
    if any(name.lower() not in known for name in wanted.headers):
        raise error_at(
            f"{pointer}/headers", "A document has no values of headers. Add them elsewhere first."
        )


def _options(
    request: ConfiguredHook, headers: Sequence[CustomHeader], credentials: Credentials
) -> HookOptions:
    return HookOptions(
        request.give_up_seconds,
        request.in_order,
        request.body_format,
        request.parameters,
        tuple(headers),
        credentials,
        BodyTemplate(request.content_type, request.body_template),
        request.value_maps,
        request.scope,
        read_conditions(request.conditions),
        Answers(request.answers, request.missing_answer),
    )
