"""The values of a receiver as the history shows them, without secrets."""

from collections.abc import Mapping
from typing import Any

from callevents.audit import Hidden, Masked
from callevents.db.models import Receiver
from callevents.delivery.request.masking import mask_url
from callevents.delivery.request.receiver import read_values


def receiver_values(receiver: Receiver) -> Mapping[str, Any]:
    """Return what users can change of a receiver, and its secrets hidden."""
    values = {
        f"value {one.name}": Hidden(one.value) if one.is_secret else _mask(one.value)
        for one in read_values(receiver.values)
    }
    return {
        "name": receiver.name,
        "recipe": receiver.recipe,
        "address": Masked(receiver.address, mask_url(receiver.address)),
        "authentication": receiver.auth,
        "credentials": Hidden(receiver.auth_secret),
        "client_certificate": receiver.client_certificate,
        "client_key": Hidden(receiver.client_key),
        "max_in_flight": receiver.max_in_flight,
        "max_per_second": receiver.max_per_second,
        **values,
    }


def _mask(value: str) -> Masked:
    """Return a value that is not secret; it may be a URL with a secret in it."""
    return Masked(value, mask_url(value))
