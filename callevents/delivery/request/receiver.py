"""What requests take from their receiver: values, authentication, client certificate."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from callevents.enums import ReceiverAuth


@dataclass(frozen=True)
class ReceiverTemplate:
    """The settings of a receiver that make its requests, decrypted."""

    #: For placeholders such as {receiver.token}, by name without the prefix.
    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    #: The names of those that are secret.
    secret_names: frozenset[str] = frozenset()
    auth: ReceiverAuth = ReceiverAuth.NONE
    #: The members of the stored secret; which ones depends on `auth`.
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    #: The current access token of OAuth 2.0; empty: it has to be fetched first.
    access_token: str = field(default="", repr=False)
    client_certificate: str = ""
    client_key: str = field(default="", repr=False)
    #: The user map: who an extension is in the receiver, by number.
    users: Mapping[str, str] = field(default_factory=dict, repr=False)
