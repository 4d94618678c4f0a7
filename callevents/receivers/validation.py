"""Checks of a receiver's values, and of the secrets that a change keeps."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from callevents.db.models import Receiver, utc_now
from callevents.delivery.request.left_out import is_left_out
from callevents.delivery.request.receiver import CREDENTIALS, read_values
from callevents.delivery.request.url import origin_of
from callevents.enums import ReceiverAuth
from callevents.errors import InvalidError
from callevents.extensions import cipher
from callevents.hooks.validation import ENTER_AGAIN
from callevents.receivers.address import check_address
from callevents.receivers.credentials import FIELD, LABELS, credential_problems
from callevents.receivers.data import ReceiverData
from callevents.security.client_certificate import check_client_certificate
from callevents.validation import check_name

#: Field name of errors about a value, followed by its name.
VALUE_FIELD = "values/"
MAX_VALUES = 50
MAX_VALUE_LENGTH = 1000
MAX_IN_FLIGHT = 1000
MAX_PER_SECOND = 1000

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")

Problems = Iterator[tuple[str, list[str]]]


@dataclass(frozen=True)
class Checked:
    """Valid data, with all that is kept filled in, decrypted."""

    data: ReceiverData
    values: Mapping[str, str] = field(repr=False)
    credentials: Mapping[str, str] = field(repr=False)
    client_key: str = field(repr=False)


@dataclass(frozen=True)
class Kept:
    """What a receiver has stored, decrypted."""

    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    secret_names: frozenset[str] = frozenset()
    auth: ReceiverAuth = ReceiverAuth.NONE
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    client_key: str = field(default="", repr=False)
    address: str = ""

    @classmethod
    def of(cls, receiver: Receiver) -> "Kept":
        """Return what the receiver has stored; raises UnreadableError."""
        decrypt = cipher.bound.decrypt
        stored = read_values(receiver.values)
        return cls(
            {one.name: decrypt(one.value) if one.is_secret else one.value for one in stored},
            frozenset(one.name for one in stored if one.is_secret),
            receiver.auth,
            json.loads(decrypt(receiver.auth_secret)) if receiver.auth_secret else {},
            decrypt(receiver.client_key) if receiver.client_key else "",
            receiver.address,
        )


def check_receiver(data: ReceiverData, kept: Kept) -> Checked:
    """Return the data as it is stored; raises one InvalidError about all invalid fields."""
    errors: dict[str, list[str]] = {}
    try:
        data = replace(data, name=check_name(data.name))
    except InvalidError as error:
        errors |= error.errors
    try:
        data = replace(data, address=check_address(data.address, data.values))
    except InvalidError as error:
        errors |= error.errors
    values, credentials = _fill_values(data, kept), _fill_credentials(data, kept)
    client_key = _fill_key(data, kept)
    errors |= dict(_value_problems(data, values, kept))
    errors |= dict(credential_problems(data.auth, credentials))
    errors |= dict(_limit_problems(data))
    errors |= dict(_certificate_problems(data, client_key))
    if not errors:
        errors |= dict(_kept_problems(data, kept))
    if errors:
        raise InvalidError(errors)
    return Checked(data, values, credentials, client_key)


def _fill_values(data: ReceiverData, kept: Kept) -> dict[str, str]:
    return {
        name: kept.values.get(name, "") if value is None else value.strip()
        for name, value in data.values.items()
    }


def _fill_credentials(data: ReceiverData, kept: Kept) -> dict[str, str]:
    stored = kept.credentials if kept.auth is data.auth else {}
    if data.credentials is None:
        return dict(stored)
    filled = {
        name: stored.get(name, "") if value is None else value.strip()
        for name, value in data.credentials.items()
    }
    return {name: value for name, value in filled.items() if value}


def _fill_key(data: ReceiverData, kept: Kept) -> str:
    if not data.client_certificate:
        # One that was left out of an import stays missing until it is entered, or removed.
        return kept.client_key if data.client_key is None and is_left_out(kept.client_key) else ""
    return kept.client_key if data.client_key is None else data.client_key.strip()


def _value_problems(data: ReceiverData, values: Mapping[str, str], kept: Kept) -> Problems:
    if len(values) > MAX_VALUES:
        yield "values", [f"A receiver can have at most {MAX_VALUES} values (got {len(values)})."]
    for name, value in values.items():
        if message := _value_problem(name, value):
            yield VALUE_FIELD + name, [message]
        elif data.values[name] is None and _shows_secret(name, data, kept):
            yield VALUE_FIELD + name, ["It was secret. Enter it again to show it."]


def _value_problem(name: str, value: str) -> str:
    if not _NAME.fullmatch(name):
        return (
            "The name of a value has at most 40 lower-case letters, digits and underscores, and "
            "begins with a letter."
        )
    if len(value) > MAX_VALUE_LENGTH:
        return f"Must be at most {MAX_VALUE_LENGTH:,} characters (got {len(value):,})."
    return "" if value.isprintable() else "Must not contain control characters."


def _shows_secret(name: str, data: ReceiverData, kept: Kept) -> bool:
    return name in kept.secret_names and name not in data.secret_names


def _limit_problems(data: ReceiverData) -> Problems:
    if data.max_in_flight is not None and not 1 <= data.max_in_flight <= MAX_IN_FLIGHT:
        yield "max_in_flight", [f"Must be a whole number from 1 to {MAX_IN_FLIGHT:,}."]
    rate = data.max_per_second
    if rate is not None and not 0.01 <= rate <= MAX_PER_SECOND:
        yield "max_per_second", [f"Must be a number from 0.01 to {MAX_PER_SECOND:,}."]


def _certificate_problems(data: ReceiverData, client_key: str) -> Problems:
    if not data.client_certificate and is_left_out(client_key):
        return
    if bool(data.client_certificate) is not bool(client_key):
        yield "client_key", ["Enter both the certificate and its private key, or none."]
    elif client_key:
        try:
            # One that has expired since it was entered must not prevent other changes.
            now = None if data.client_key is None else utc_now()
            check_client_certificate(data.client_certificate, client_key, now)
        except InvalidError as error:
            yield from error.errors.items()


def _kept_problems(data: ReceiverData, kept: Kept) -> Problems:
    """Yield the kept secrets that would go to another origin than the one they were entered for."""
    if kept.address and origin_of(data.address) != origin_of(kept.address):
        for name, value in data.values.items():
            if value is None and name in kept.secret_names:
                yield VALUE_FIELD + name, [ENTER_AGAIN.format(f"the value {name}")]
        yield from _kept_credentials(data, kept)
        if data.client_certificate and data.client_key is None:
            yield "client_key", [ENTER_AGAIN.format("the private key")]
    elif _issuer(data, kept) != _issuer(None, kept):
        yield from _kept_credentials(data, kept)


def _kept_credentials(data: ReceiverData, kept: Kept) -> Problems:
    if data.auth is not kept.auth:
        return
    given = data.credentials or {}
    for name in sorted(CREDENTIALS[data.auth].secret):
        is_kept = data.credentials is None or (name in given and given[name] is None)
        if is_kept and kept.credentials.get(name):
            yield FIELD + name, [ENTER_AGAIN.format(LABELS[name])]


def _issuer(data: ReceiverData | None, kept: Kept) -> str:
    """Return the origin that issues access tokens; of what is stored if `data` is None."""
    stored = kept.credentials.get("token_url", "")
    given = data.credentials.get("token_url") if data and data.credentials else None
    url = stored if given is None else given
    return origin_of(url) if url else ""
