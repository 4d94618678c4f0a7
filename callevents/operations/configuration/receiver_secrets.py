"""The secrets of receivers, for exports that have secrets."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement

from callevents.db.models import Pbx, Receiver
from callevents.delivery.request.masking import mask_url
from callevents.delivery.request.receiver import CREDENTIALS
from callevents.delivery.request.url import origin_of
from callevents.receivers.credentials import ISSUER
from callevents.receivers.receivers import read_data, update_receiver
from callevents.receivers.validation import Kept

Values = dict[str, Any]


def receivers_of(pbxs: Sequence[Pbx]) -> ColumnElement[bool]:
    """Return the condition for receivers of these PBXs, and those for all."""
    ids = [pbx.id for pbx in pbxs]
    return Receiver.pbx_id.is_(None) | Receiver.pbx_id.in_(ids)


def receiver_origins(receiver: Receiver) -> str:
    """Return what the secrets are for: the receiver, and what issues its access tokens."""
    issuer = Kept.of(receiver).credentials.get("token_url", "")
    return f"{origin_of(receiver.address)} {origin_of(issuer) if issuer else ''}".strip()


def receiver_secrets(receiver: Receiver) -> Values:
    """Return the secrets of a receiver; empty without any."""
    kept = Kept.of(receiver)
    secret = CREDENTIALS[receiver.auth].secret
    issuer = kept.credentials.get(ISSUER, "")
    if mask_url(issuer) != issuer:
        secret |= {ISSUER}
    found: Values = {
        "values": {
            name: value
            for name, value in sorted(kept.values.items())
            # Documents have the others whole.
            if name in kept.secret_names or mask_url(value) != value
        },
        "credentials": {name: value for name, value in kept.credentials.items() if name in secret},
        "address": receiver.address if mask_url(receiver.address) != receiver.address else "",
        "client_certificate": receiver.client_certificate,
        "client_key": kept.client_key if receiver.client_certificate else "",
    }
    return {name: value for name, value in found.items() if value}


def restore_receiver(receiver: Receiver, values: Values) -> None:
    """Set the secrets, of those that the receiver has; raises InvalidError."""
    data, kept = read_data(receiver), Kept.of(receiver)
    # A document could have made a secret value a plain one, which everybody sees.
    given = {
        name: value
        for name, value in values.get("values", {}).items()
        if name in kept.secret_names or mask_url(value) == mask_url(kept.values.get(name, ""))
    }
    sealed = values.get("credentials", {})
    credentials = {name: sealed.get(name, value) for name, value in kept.credentials.items()}
    issuer = kept.credentials.get(ISSUER)
    if issuer is not None and mask_url(credentials[ISSUER]) != mask_url(issuer):
        credentials[ISSUER] = issuer
    data = replace(
        data,
        values={name: given.get(name, value) for name, value in data.values.items()},
        credentials=credentials,
    )
    if "client_key" in values:
        names = ("client_certificate", "client_key")
        data = replace(data, **{name: values[name] for name in names})
    address = values.get("address", receiver.address)
    if mask_url(address) == mask_url(receiver.address):
        data = replace(data, address=address)
    update_receiver(receiver, data)
