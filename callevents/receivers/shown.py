"""What people may see of a receiver: everything but its secrets."""

from collections.abc import Mapping

from callevents.db.models import Receiver
from callevents.delivery.request.masking import mask_url
from callevents.delivery.request.receiver import CREDENTIALS, read_values
from callevents.receivers.credentials import ISSUER
from callevents.receivers.validation import Kept
from callevents.security.encryption import UnreadableError


def shown_address(receiver: Receiver) -> str:
    """Return the address; secrets in it are masked."""
    return mask_url(receiver.address)


def shown_values(receiver: Receiver) -> Mapping[str, str | None]:
    """Return the values by name; None is a secret."""
    stored = read_values(receiver.values)
    return {one.name: None if one.is_secret else mask_url(one.value) for one in stored}


def shown_credentials(receiver: Receiver) -> Mapping[str, str | None]:
    """Return the members of the credentials; None is a secret, and URLs are masked.

    Empty if no key decrypts them.
    """
    secret = CREDENTIALS[receiver.auth].secret
    try:
        members = Kept.of(receiver).credentials
    except UnreadableError:
        return {}
    return {name: None if name in secret else _show(name, value) for name, value in members.items()}


def _show(name: str, value: str) -> str:
    return mask_url(value) if name == ISSUER else value
