"""Changes some values of a receiver; all others stay."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from callevents.db.models import Receiver
from callevents.enums import ReceiverAuth
from callevents.errors import InvalidError
from callevents.receivers.connect import get_recipe_of
from callevents.receivers.credentials import FIELD, ISSUER
from callevents.receivers.data import ReceiverData
from callevents.receivers.making import change_answers, make_receiver, names_in
from callevents.receivers.receivers import read_data
from callevents.receivers.recipe_files import get_recipe
from callevents.receivers.shown import shown_credentials
from callevents.receivers.validation import Kept
from callevents.security.masking import MASK

#: Fields of changes, as the pages and the API name them.
_FIELDS = {
    "address": "address",
    "auth": "authentication",
    "credentials": "authentication",
    "secret_names": "values",
}


@dataclass(frozen=True)
class ReceiverChanges:
    """What to change. None keeps what is stored."""

    name: str | None = None
    address: str | None = None
    #: Answers to questions of the recipe, or values of a receiver without one.
    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    #: Of a receiver without a recipe: which of these are secret.
    secret_names: frozenset[str] = frozenset()
    #: Values to remove, of a receiver without a recipe.
    removed: frozenset[str] = frozenset()
    auth: ReceiverAuth | None = None
    #: Members of the credentials; an empty one is removed.
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    client_certificate: str | None = None
    client_key: str | None = field(default=None, repr=False)
    #: 0 removes the limit.
    max_in_flight: int | None = None
    max_per_second: float | None = None

    def named(self, name: str) -> "ReceiverChanges":
        """Return the changes with another name."""
        return replace(self, name=name)


def make_new(name: str, recipe: str, pbx_id: int | None, changes: ReceiverChanges) -> ReceiverData:
    """Return the values of a new receiver: by its recipe, or by its address without one.

    Raises InvalidError, and NotFoundError about the recipe.
    """
    if recipe:
        data = make_receiver(get_recipe(recipe), changes.values, name, pbx_id)
        for field_name in ("address", "auth", "credentials", "secret_names"):
            if getattr(changes, field_name):
                raise InvalidError.of(_FIELDS[field_name], "It follows from the recipe.")
    elif not changes.address:
        raise InvalidError.of("address", "Enter the address, or choose a recipe.")
    else:
        data = ReceiverData(
            name,
            changes.address,
            pbx_id=pbx_id,
            values=changes.values,
            secret_names=changes.secret_names,
            auth=changes.auth or ReceiverAuth.NONE,
            credentials=_without_masked(changes.credentials, {}),
        )
    limits: dict[str, Any] = {
        limit: value or None
        for limit in ("max_in_flight", "max_per_second")
        if (value := getattr(changes, limit)) is not None
    }
    return replace(
        data,
        client_certificate=changes.client_certificate or "",
        client_key=changes.client_key,
        **limits,
    )


def make_changed(receiver: Receiver, changes: ReceiverChanges) -> ReceiverData:
    """Return the values of the receiver with the changes; raises InvalidError, ConflictError."""
    data = read_data(receiver)
    credentials = Kept.of(receiver).credentials
    if receiver.recipe:
        _check_for_recipe(receiver, changes)
        if changes.values:
            recipe = get_recipe_of(receiver)
            data = change_answers(recipe, data, changes.values, credentials)
    else:
        data = _change_values(data, changes)
    if changes.auth is not None or changes.credentials:
        auth = changes.auth or data.auth
        members = dict.fromkeys(credentials) if auth is data.auth else {}
        shown = shown_credentials(receiver) if auth is data.auth else {}
        given_members = _without_masked(changes.credentials, shown)
        data = replace(data, auth=auth, credentials={**members, **given_members})
    given: dict[str, Any] = {
        name: value
        for name in ("name", "address", "client_certificate", "client_key")
        if (value := getattr(changes, name)) is not None
    }
    limits: dict[str, Any] = {
        name: value or None
        for name in ("max_in_flight", "max_per_second")
        if (value := getattr(changes, name)) is not None
    }
    return replace(data, **given, **limits)


def _without_masked(
    members: Mapping[str, str], shown: Mapping[str, str | None]
) -> Mapping[str, str]:
    """Return the members without the masked URL that was shown: it stands for the stored one.

    Raises InvalidError for another masked one.
    """
    url = members.get(ISSUER, "").strip()
    if MASK not in url:
        return members
    if url != shown.get(ISSUER):
        message = f"A secret in it is shown as {MASK}. Enter the whole URL."
        raise InvalidError.of(FIELD + ISSUER, message)
    return {name: text for name, text in members.items() if name != ISSUER}


def _check_for_recipe(receiver: Receiver, changes: ReceiverChanges) -> None:
    """Raise InvalidError about what only a receiver without a recipe can have."""
    if changes.secret_names or changes.removed:
        raise InvalidError.of(
            "values", "The recipe says which values there are, and which of them are secret."
        )
    recipe = get_recipe_of(receiver)
    names = names_in(recipe.address)
    if changes.address is not None and names:
        raise InvalidError.of(
            "address", f"It follows from the answers of the recipe. Change {', '.join(names)}."
        )


def _change_values(data: ReceiverData, changes: ReceiverChanges) -> ReceiverData:
    kept = {name: one for name, one in data.values.items() if name not in changes.removed}
    secret = (data.secret_names - changes.removed - changes.values.keys()) | changes.secret_names
    return replace(data, values={**kept, **changes.values}, secret_names=secret)
