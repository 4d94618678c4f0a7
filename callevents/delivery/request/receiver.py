"""What requests take from their receiver: values, authentication, client certificate."""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from callevents.db.models import Receiver, ReceiverUser, utc_now
from callevents.delivery.request.left_out import explain_of_receiver, find_left_out, names_of
from callevents.delivery.request.url import begins_with, origin_of
from callevents.enums import AuthKind, ReceiverAuth
from callevents.extensions import db
from callevents.security.client_certificate import ClientCertificate
from callevents.security.encryption import Cipher

#: The columns of a receiver that define its requests.
RECEIVER_COLUMNS = (
    Receiver.id,
    Receiver.name,
    Receiver.address,
    Receiver.values,
    Receiver.auth,
    Receiver.auth_secret,
    Receiver.access_token,
    Receiver.access_token_expires_at,
    Receiver.client_certificate,
    Receiver.client_key,
    Receiver.max_per_second,
)
#: Of a text that uses the user map.
USER_FILTER = "|user"


class CredentialNames(NamedTuple):
    """The members of the credentials of a kind of authentication."""

    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    #: Those that are never shown.
    secret: frozenset[str] = frozenset()


_OAUTH_OPTIONAL = ("scope", "client_auth", "scheme")
CREDENTIALS: Mapping[ReceiverAuth, CredentialNames] = {
    ReceiverAuth.NONE: CredentialNames(),
    ReceiverAuth.BASIC: CredentialNames(("username", "password"), (), frozenset({"password"})),
    ReceiverAuth.BEARER: CredentialNames(("token",), (), frozenset({"token"})),
    ReceiverAuth.SCHEME: CredentialNames(("scheme", "secret"), (), frozenset({"secret"})),
    ReceiverAuth.HEADER: CredentialNames(("name", "value"), (), frozenset({"value"})),
    ReceiverAuth.QUERY: CredentialNames(("name", "value"), (), frozenset({"value"})),
    ReceiverAuth.CLIENT_CREDENTIALS: CredentialNames(
        ("token_url", "client_id", "client_secret"), _OAUTH_OPTIONAL, frozenset({"client_secret"})
    ),
    ReceiverAuth.REFRESH_TOKEN: CredentialNames(
        ("token_url", "client_id", "client_secret", "refresh_token"),
        _OAUTH_OPTIONAL,
        frozenset({"client_secret", "refresh_token"}),
    ),
}


@dataclass(frozen=True)
class ReceiverTemplate:
    """The settings of a receiver that make its requests, decrypted."""

    id: int = 0
    #: Its authentication goes to the origin of this URL only.
    address: str = ""

    #: For placeholders such as {receiver.token}, by name without the prefix.
    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    #: The names of those that are secret.
    secret_names: frozenset[str] = frozenset()
    auth: ReceiverAuth = ReceiverAuth.NONE
    #: The members of the stored secret: see CREDENTIALS.
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    #: The access token of OAuth 2.0 if it is still valid; empty: it has to be fetched first.
    access_token: str = field(default="", repr=False)
    client_certificate: str = ""
    client_key: str = field(default="", repr=False)
    #: The user map: who an extension is in the receiver, by number.
    users: Mapping[str, str] = field(default_factory=dict, repr=False)
    name: str = ""

    @property
    def left_out(self) -> tuple[str, ...]:
        """The fields whose secrets were left out of an import, and not entered since."""
        return find_left_out(self.address, self.values, self.credentials, self.client_key)

    @property
    def certificate(self) -> ClientCertificate | None:
        """The certificate for mutual TLS."""
        if not self.client_certificate:
            return None
        return ClientCertificate(self.client_certificate, self.client_key)

    @property
    def lacks_token(self) -> bool:
        """True if an access token has to be fetched before a request."""
        return self.auth.is_oauth and not self.access_token


class PartOfReceiver(NamedTuple):
    """What a receiver adds to a request besides the authorization.

    `problem`: why the request must not be sent. `lacks_token_of`: the receiver's ID if its access
    token has to be fetched before.
    """

    problem: str = ""
    certificate: ClientCertificate | None = None
    lacks_token_of: int | None = None


NO_PART = PartOfReceiver()
ELSEWHERE = "The URL does not begin with the receiver's address, so its secrets are not sent there."


def part_of(receiver: ReceiverTemplate | None, kind: AuthKind, url: str) -> PartOfReceiver:
    """Return what the receiver adds to a request with this authentication and URL."""
    if receiver is None:
        return NO_PART
    uses_auth = kind is AuthKind.RECEIVER
    if fields := receiver.left_out:
        return PartOfReceiver(explain_of_receiver(receiver.name, names_of(fields)))
    # Whatever has changed since the request was saved: its secrets stay with their origin.
    if origin_of(url) != origin_of(receiver.address):
        return PartOfReceiver(ELSEWHERE)
    lacking = receiver.id if uses_auth and receiver.lacks_token else None
    return PartOfReceiver("", receiver.certificate, lacking)


class StoredValue(NamedTuple):
    """A value of a receiver as it is stored: encrypted if it is secret."""

    name: str
    value: str
    is_secret: bool


class LoadedReceiver(NamedTuple):
    """A receiver, or a row with RECEIVER_COLUMNS, and the part of its user map that is needed."""

    row: Any
    users: Mapping[str, str]

    def decrypt(self, cipher: Cipher) -> ReceiverTemplate:
        """Return what requests take from it; raises UnreadableError."""
        return read_receiver(self.row, cipher, self.users)


def read_values(stored: str) -> list[StoredValue]:
    """Return the stored values of a receiver."""
    return [StoredValue(*one) for one in json.loads(stored)] if stored else []


def read_receiver(
    row: Any, cipher: Cipher, users: Mapping[str, str] | None = None
) -> ReceiverTemplate:
    """Return what requests take from a receiver, or a row of one; raises UnreadableError."""
    stored = read_values(row.values)
    values = {one.name: cipher.decrypt(one.value) if one.is_secret else one.value for one in stored}
    is_valid = has_token(row, utc_now())
    return ReceiverTemplate(
        row.id,
        row.address,
        values,
        frozenset(one.name for one in stored if one.is_secret),
        row.auth,
        json.loads(cipher.decrypt(row.auth_secret)) if row.auth_secret else {},
        cipher.decrypt(row.access_token) if is_valid else "",
        row.client_certificate,
        cipher.decrypt(row.client_key) if row.client_key else "",
        users or {},
        row.name,
    )


def has_token(row: Any, now: datetime) -> bool:
    """Return True if a receiver, or a row of one, has an access token that is still valid."""
    expires_at: datetime | None = row.access_token_expires_at
    return bool(row.access_token) and expires_at is not None and now < expires_at


def load_receivers(
    connection: Connection, rows: Iterable[Any]
) -> Mapping[tuple[int, int], LoadedReceiver]:
    """Return the receivers of rows that have one, by the IDs of receiver and PBX.

    Rows have `receiver_id`, `pbx_id`, REQUEST_COLUMNS and the event's columns. Without receivers,
    it makes no query.
    """
    having = [row for row in rows if row.receiver_id is not None]
    if not having:
        return {}
    ids = {row.receiver_id for row in having}
    found = connection.execute(select(*RECEIVER_COLUMNS).where(Receiver.id.in_(ids)))
    receivers = {row.id: row for row in found}
    users = _load_users(connection, [row for row in having if _uses_users(row)])
    return {
        (receiver_id, pbx_id): LoadedReceiver(
            receivers[receiver_id], users.get((receiver_id, pbx_id), {})
        )
        for receiver_id, pbx_id in {(row.receiver_id, row.pbx_id) for row in having}
        if receiver_id in receivers
    }


def has_its_receiver(row: Mapping[str, Any]) -> bool:
    """Return True if a removed hook has no receiver, or one that still has its address."""
    if row.get("receiver_id") is None:
        return True
    receiver = db.session.get(Receiver, row["receiver_id"])
    return receiver is not None and begins_with(row["url"], receiver.address)


def _uses_users(row: Any) -> bool:
    # Headers are encrypted; they are read later.
    texts = (row.url, row.body_template)
    return bool(row.custom_headers) or any(USER_FILTER in text for text in texts)


def _load_users(
    connection: Connection, rows: Collection[Any]
) -> Mapping[tuple[int, int], Mapping[str, str]]:
    """Return the users of the numbers of these calls, by the IDs of receiver and PBX."""
    users: dict[tuple[int, int], dict[str, str]] = {}
    if not rows:
        return users
    numbers = {number for row in rows for number in _numbers_of(row)}
    query = select(ReceiverUser).where(
        ReceiverUser.receiver_id.in_({row.receiver_id for row in rows}),
        ReceiverUser.pbx_id.in_({row.pbx_id for row in rows}),
        ReceiverUser.number.in_(numbers),
    )
    for row in connection.execute(query):
        users.setdefault((row.receiver_id, row.pbx_id), {})[row.number] = row.user
    return users


def _numbers_of(row: Any) -> set[str]:
    numbers = {
        row.extension,
        row.caller_extension,
        row.called_extension,
        row.caller_number,
        row.called_number,
        row.answered_by,
    }
    if row.call_values:
        numbers |= {one for one in json.loads(row.call_values).values() if isinstance(one, str)}
    return numbers - {"", None}
