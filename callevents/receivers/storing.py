"""Writes checked data into a receiver; secrets are encrypted."""

import json
from collections.abc import Mapping

from callevents.db.models import Receiver
from callevents.delivery.oauth.stored_token import forget_token
from callevents.delivery.request.receiver import StoredValue, read_values
from callevents.delivery.request.url import origin_of
from callevents.extensions import cipher
from callevents.receivers.validation import Checked, Kept


def store(receiver: Receiver, checked: Checked, kept: Kept) -> bool:
    """Write the data into the receiver; return True if one of its secrets is new.

    A secret that is the same as before keeps its encrypted text.
    """
    data = checked.data
    secrets_before = _secrets(receiver)
    receiver.name, receiver.recipe, receiver.pbx_id = data.name, data.recipe, data.pbx_id
    receiver.address = data.address
    receiver.values = _encrypt_values(receiver, checked, kept)
    if checked.credentials != kept.credentials or data.auth is not kept.auth:
        text = json.dumps(checked.credentials)
        receiver.auth_secret = cipher.encrypt(text) if checked.credentials else ""
        forget_token(receiver)
    elif kept.address and origin_of(kept.address) != origin_of(receiver.address):
        # It was issued for another receiver, although for the same credentials.
        forget_token(receiver)
    receiver.auth = data.auth
    if checked.client_key != kept.client_key:
        receiver.client_key = cipher.encrypt(checked.client_key) if checked.client_key else ""
    receiver.client_certificate = data.client_certificate.strip()
    receiver.max_in_flight = data.max_in_flight
    receiver.max_per_second = data.max_per_second
    return _secrets(receiver) != secrets_before


def _encrypt_values(receiver: Receiver, checked: Checked, kept: Kept) -> str:
    stored = {one.name: one for one in read_values(receiver.values or "")}
    found = [
        _encrypt_value(name, value, checked.data.secret_names, kept.values, stored)
        for name, value in checked.values.items()
    ]
    return json.dumps(found, ensure_ascii=False) if found else ""


def _encrypt_value(
    name: str,
    value: str,
    secret_names: frozenset[str],
    kept: Mapping[str, str],
    stored: Mapping[str, StoredValue],
) -> StoredValue:
    if name not in secret_names or not value:
        return StoredValue(name, value, is_secret=False)
    if name in stored and stored[name].is_secret and kept.get(name) == value:
        return stored[name]
    return StoredValue(name, cipher.encrypt(value), is_secret=True)


def _secrets(receiver: Receiver) -> tuple[object, ...]:
    values = tuple(one for one in read_values(receiver.values or "") if one.is_secret)
    return (receiver.auth_secret or "", receiver.client_key or "", values)
