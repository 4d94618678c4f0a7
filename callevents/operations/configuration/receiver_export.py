"""Exports receivers, without their secrets."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import select

from callevents.db.models import Pbx, Receiver, ReceiverUser
from callevents.extensions import db
from callevents.operations.configuration.receiver_document import (
    ConfiguredReceiver,
    ConfiguredUser,
    ConfiguredValue,
)
from callevents.receivers.shown import shown_address, shown_credentials, shown_values


def describe_receivers(pbxs: Sequence[Pbx]) -> list[ConfiguredReceiver]:
    """Return the receivers of these PBXs, and those for all, by slug."""
    slugs = {pbx.id: pbx.slug for pbx in pbxs}
    usable = Receiver.pbx_id.is_(None) | Receiver.pbx_id.in_(slugs)
    found = db.session.scalars(select(Receiver).where(usable).order_by(Receiver.slug)).all()
    users = _find_users(slugs)
    return [describe_receiver(one, slugs, users[one.id]) for one in found]


def describe_receiver(
    receiver: Receiver, slugs: Mapping[int, str], users: Iterable[ConfiguredUser]
) -> ConfiguredReceiver:
    """Return the receiver without its secrets. `slugs`: of the PBXs, by ID."""
    # Not checked: what is stored stays exportable when a rule changes.
    values: dict[str, Any] = {
        "slug": receiver.slug,
        "name": receiver.name,
        "pbx": None if receiver.pbx_id is None else slugs[receiver.pbx_id],
        "recipe": receiver.recipe,
        "address": shown_address(receiver),
        "values": _to_list(shown_values(receiver)),
        "authentication": receiver.auth,
        "credentials": _to_list(shown_credentials(receiver)),
        # Also if it was left out of an import.
        "has_client_certificate": bool(receiver.client_key),
        "max_in_flight": receiver.max_in_flight,
        "max_per_second": receiver.max_per_second,
        "users": list(users),
    }
    return ConfiguredReceiver.model_construct(**values)


def _find_users(slugs: Mapping[int, str]) -> Mapping[int, list[ConfiguredUser]]:
    """Return the user maps by the ID of the receiver, in a fixed order."""
    found: dict[int, list[ConfiguredUser]] = defaultdict(list)
    for row in db.session.scalars(select(ReceiverUser).where(ReceiverUser.pbx_id.in_(slugs))):
        one = ConfiguredUser(pbx=slugs[row.pbx_id], extension=row.number, user=row.user)
        found[row.receiver_id].append(one)
    for users in found.values():
        users.sort(key=lambda one: (one.pbx, len(one.extension), one.extension))
    return found


def _to_list(values: Mapping[str, str | None]) -> list[ConfiguredValue]:
    return [ConfiguredValue(name=name, value=value) for name, value in values.items()]
