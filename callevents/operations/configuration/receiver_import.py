"""Makes receivers like those of a document. Their secrets stay, or are missing."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from callevents.db.models import Pbx, Receiver
from callevents.delivery.request.left_out import NOT_IMPORTED
from callevents.delivery.request.receiver import read_receiver
from callevents.errors import InvalidError, NotFoundError
from callevents.extensions import cipher
from callevents.operations.configuration.changes import Changes, Done, Kind, error_at, errors_at
from callevents.operations.configuration.receiver_document import (
    ConfiguredReceiver,
    ConfiguredUser,
    ConfiguredValue,
)
from callevents.operations.configuration.receiver_export import describe_receivers
from callevents.receivers.credentials import ISSUER
from callevents.receivers.data import ReceiverData
from callevents.receivers.receivers import (
    count_hooks,
    create_receiver,
    get_receiver,
    list_receivers,
    remove_receiver,
    update_receiver,
)
from callevents.receivers.users import replace_users
from callevents.receivers.validation import Kept
from callevents.security.masking import MASK

Users = Sequence[ConfiguredUser]

_MASKED = f"Write it with its secret in the place of {MASK}."


class ImportedReceivers:
    """Receivers of a document, as they are imported, and those that are there already."""

    def __init__(self, pbxs: Mapping[str, Pbx], changes: Changes) -> None:
        self._pbxs = pbxs
        self._changes = changes
        self._current = {one.slug: one for one in describe_receivers(list(pbxs.values()))}
        self._found: dict[str, Receiver] = {}
        #: Whether secrets are missing, by the receiver's ID.
        self._lacking: dict[int, bool] = {}

    def set(self, wanted: Sequence[ConfiguredReceiver], pointer: str) -> None:
        """Add and change receivers; raises DocumentError."""
        seen: set[str] = set()
        for number, one in enumerate(wanted):
            place = f"{pointer}/{number}"
            if one.slug in seen:
                raise error_at(f"{place}/slug", "Another receiver has it too.")
            seen.add(one.slug)
            with errors_at(place):
                current = self._current.get(one.slug)
                if current is None:
                    self._add(one)
                else:
                    self._change(one, current, place)

    def prune(self, wanted: Sequence[ConfiguredReceiver]) -> None:
        """Remove receivers that the document does not have, and that have no requests."""
        kept = {one.slug for one in wanted}
        for receiver in list_receivers():
            if receiver.slug not in kept and not count_hooks(receiver):
                self._changes.add(Done.REMOVED, Kind.RECEIVER, receiver.slug)
                remove_receiver(receiver)

    def find(self, slug: str) -> Receiver:
        """Return the receiver that a request names; raises InvalidError about `receiver`."""
        if slug not in self._found:
            try:
                self._found[slug] = get_receiver(slug)
            except NotFoundError as error:
                raise InvalidError.of("receiver", str(error)) from None
        return self._found[slug]

    def lacks_secrets(self, receiver: Receiver) -> bool:
        """Return True if secrets of the receiver were not imported and have not been entered."""
        if receiver.id not in self._lacking:
            self._lacking[receiver.id] = bool(read_receiver(receiver, cipher.bound).left_out)
        return self._lacking[receiver.id]

    def _add(self, wanted: ConfiguredReceiver) -> None:
        missing = [f"value {one.name}" for one in wanted.values if _is_secret(one)]
        missing += [f"credentials {one.name}" for one in wanted.credentials if _is_secret(one)]
        if MASK in wanted.address:
            missing.append("address")
        if wanted.has_client_certificate:
            missing.append("client certificate")
        data = ReceiverData(
            name=wanted.name,
            address=wanted.address,
            recipe=wanted.recipe,
            pbx_id=self._pbx_id(wanted),
            values={one.name: _or_placeholder(one) for one in wanted.values},
            secret_names=frozenset(one.name for one in wanted.values if one.value is None),
            auth=wanted.authentication,
            credentials={one.name: _or_placeholder(one) for one in wanted.credentials},
            max_in_flight=wanted.max_in_flight,
            max_per_second=wanted.max_per_second,
        )
        receiver = create_receiver(data, wanted.slug)
        if wanted.has_client_certificate:
            receiver.client_key = cipher.encrypt(NOT_IMPORTED)
        self._set_users(receiver, wanted.users, ())
        names = (Kind.RECEIVER, wanted.slug)
        self._changes.add(Done.ADDED, *names, missing=tuple(missing), key=wanted.slug)

    def _change(
        self, wanted: ConfiguredReceiver, current: ConfiguredReceiver, pointer: str
    ) -> None:
        receiver = get_receiver(wanted.slug)
        # A certificate is not imported, so it is no difference.
        names = ConfiguredReceiver.model_fields.keys() - {"has_client_certificate"}
        fields = [name for name in names if getattr(wanted, name) != getattr(current, name)]
        if not fields:
            return
        if {*fields} - {"users"}:
            update_receiver(receiver, self._make_data(wanted, current, receiver, pointer))
            self._lacking.pop(receiver.id, None)
        if "users" in fields:
            self._set_users(receiver, wanted.users, current.users)
        names_of = (Kind.RECEIVER, wanted.slug)
        self._changes.add(Done.CHANGED, *names_of, fields=tuple(sorted(fields)), key=wanted.slug)

    def _make_data(
        self,
        wanted: ConfiguredReceiver,
        current: ConfiguredReceiver,
        receiver: Receiver,
        pointer: str,
    ) -> ReceiverData:
        """Return the values; what is masked in the document is kept."""
        address = receiver.address if wanted.address == current.address else wanted.address
        if address is wanted.address and MASK in address:
            raise error_at(f"{pointer}/address", _MASKED)
        kept = Kept.of(receiver)
        shown = {one.name: one.value for one in current.values}
        values: dict[str, str | None] = {}
        for one in wanted.values:
            is_same = one.name in shown and shown[one.name] == one.value
            values[one.name] = kept.values[one.name] if is_same and one.value else one.value
            if one.value is not None and not is_same and MASK in one.value:
                raise error_at(f"{pointer}/values", f"{one.name}: {_MASKED}")
        if missing := [one.name for one in wanted.values if _is_new_secret(one, kept)]:
            message = f"A document has no secrets: set {', '.join(missing)} elsewhere first."
            raise error_at(f"{pointer}/values", message)
        return ReceiverData(
            name=wanted.name,
            address=address,
            recipe=wanted.recipe,
            pbx_id=self._pbx_id(wanted),
            values=values,
            secret_names=frozenset(one.name for one in wanted.values if one.value is None),
            auth=wanted.authentication,
            credentials=_keep_masked(wanted, current, pointer),
            client_certificate=receiver.client_certificate,
            max_in_flight=wanted.max_in_flight,
            max_per_second=wanted.max_per_second,
        )

    def _pbx_id(self, wanted: ConfiguredReceiver) -> int | None:
        if wanted.pbx is None:
            return None
        if wanted.pbx not in self._pbxs:
            raise InvalidError.of("pbx", f"There is no PBX {wanted.pbx!r}.")
        return self._pbxs[wanted.pbx].id

    def _set_users(
        self,
        receiver: Receiver,
        wanted: Sequence[ConfiguredUser],
        current: Sequence[ConfiguredUser],
    ) -> None:
        """Make the user map of each PBX like that of the document."""
        maps: dict[str, dict[str, str]] = defaultdict(dict)
        for one in wanted:
            if one.pbx not in self._pbxs:
                raise InvalidError.of("users", f"There is no PBX {one.pbx!r}.")
            maps[one.pbx][one.extension] = one.user
        for slug in sorted(maps.keys() | {one.pbx for one in current}):
            replace_users(receiver, self._pbxs[slug], maps.get(slug, {}))


def _keep_masked(
    wanted: ConfiguredReceiver, current: ConfiguredReceiver, pointer: str
) -> dict[str, str | None]:
    """Return the credentials; None keeps what is stored, as for a URL that is masked there, too."""
    found = {one.name: one.value for one in wanted.credentials}
    url = found.get(ISSUER) or ""
    if MASK not in url:
        return found
    shown = {one.name: one.value for one in current.credentials}
    if wanted.authentication is not current.authentication or url != shown.get(ISSUER):
        raise error_at(f"{pointer}/credentials", f"{ISSUER}: {_MASKED}")
    return {**found, ISSUER: None}


def _or_placeholder(one: ConfiguredValue) -> str:
    return NOT_IMPORTED if one.value is None else one.value


def _is_secret(one: ConfiguredValue) -> bool:
    return one.value is None or MASK in one.value


def _is_new_secret(one: ConfiguredValue, kept: Kept) -> bool:
    return one.value is None and one.name not in kept.secret_names
