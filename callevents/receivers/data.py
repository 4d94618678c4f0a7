"""The values of a receiver that users set."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from callevents.enums import ReceiverAuth


@dataclass(frozen=True)
class ReceiverData:
    """The values of a receiver, in the pages, with commands and in the API.

    None keeps a stored secret, or a stored value.
    """

    name: str
    #: What the URLs of its requests begin with. Its path and query may have {receiver.NAME}.
    address: str
    #: The name of its recipe; empty without one.
    recipe: str = ""
    #: None: requests of all PBXs can use it. It cannot change.
    pbx_id: int | None = None
    #: All values, by name: one that is left out is removed.
    values: Mapping[str, str | None] = field(default_factory=dict, repr=False)
    secret_names: frozenset[str] = frozenset()
    auth: ReceiverAuth = ReceiverAuth.NONE
    #: See CREDENTIALS in delivery/request/receiver.py. None keeps all of them.
    credentials: Mapping[str, str | None] | None = field(default=None, repr=False)
    #: In PEM; empty: none, and no key.
    client_certificate: str = ""
    client_key: str | None = field(default=None, repr=False)
    max_in_flight: int | None = None
    max_per_second: float | None = None
