"""Translates receivers: from the tables to answers of the API, and from bodies to the domain."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from flask import request
from sqlalchemy import select

from callevents.api.v1.call import Call
from callevents.api.v1.problems import ApiError, ProblemType, not_found
from callevents.api.v1.reading import invalid_value, invalid_values
from callevents.api.v1.receiver_models import (
    ConnectedHook,
    NewReceiverAuthentication,
    Receiver,
    ReceiverAuthentication,
    ReceiverSettings,
    ReceiverState,
    ReceiverValue,
)
from callevents.api.v1.sent import texts_of
from callevents.db import models
from callevents.delivery.request.masking import mask_url
from callevents.enums import DeliveryState, Right
from callevents.errors import InvalidError
from callevents.extensions import db
from callevents.receivers.changing import ReceiverChanges
from callevents.receivers.credentials import FIELD
from callevents.receivers.receivers import lock_receiver
from callevents.receivers.shown import shown_address, shown_credentials, shown_values
from callevents.receivers.status import find_recent, find_status
from callevents.receivers.validation import VALUE_FIELD
from callevents.security.masking import MASK

#: What null stands for, in the changes of the domain.
_CLEARED = {"client_certificate": "", "client_key": "", "max_in_flight": 0, "max_per_second": 0}
_MEMBERS = NewReceiverAuthentication.model_fields.keys() - {"kind"}
_SHOWN_MEMBERS = ReceiverAuthentication.model_fields.keys() - {"kind"}


def to_answer(receiver: models.Receiver) -> Receiver:
    """Return the receiver as the API shows it: without secrets, the same to all who may see it."""
    credentials = shown_credentials(receiver)
    values = shown_values(receiver)
    return Receiver(
        receiver=receiver.slug,
        name=receiver.name,
        pbx=receiver.pbx.slug if receiver.pbx else None,
        recipe=receiver.recipe or None,
        address=shown_address(receiver),
        values=[
            ReceiverValue(name=name, value=value, is_secret=value is None)
            for name, value in values.items()
        ],
        authentication=ReceiverAuthentication(
            kind=receiver.auth, **{name: credentials.get(name) for name in _SHOWN_MEMBERS}
        ),
        has_client_certificate=bool(receiver.client_certificate),
        max_in_flight=receiver.max_in_flight,
        max_per_second=receiver.max_per_second,
        created_at=receiver.created_at,
        modified_at=receiver.modified_at,
        secret_version=f"{receiver.values} {receiver.auth_secret} {receiver.client_key}",
    )


def to_state(receiver: models.Receiver) -> ReceiverState:
    """Return the state of the receiver."""
    status, recent = find_status(receiver), find_recent(receiver)
    return ReceiverState(
        health=status.health,
        missing_secrets=status.missing_secrets,
        hooks=status.requests,
        active_hooks=status.active,
        suspended_hooks=status.suspended,
        failing_since=status.failing_since,
        paused_until=status.paused_until,
        pause_reason=status.pause_reason,
        renewal_error=status.renewal_error,
        certificate_warning=status.certificate_warning,
        waiting_deliveries=recent.waiting,
        delivered_last_hour=recent.counts.get(DeliveryState.DELIVERED, 0),
        failed_last_hour=recent.counts.get(DeliveryState.FAILED, 0),
        last_delivery_id=recent.last.id if recent.last else None,
    )


def to_hook(hook: models.Hook) -> ConnectedHook:
    """Return a hook of a receiver."""
    number = hook.extension.number if hook.extension else None
    return ConnectedHook(event_id=hook.event_id, extension=number, request=hook.recipe_request)


def to_changes(body: ReceiverSettings, receiver: models.Receiver | None = None) -> ReceiverChanges:
    """Return what the body changes; raises ApiError."""
    changes = ReceiverChanges(address=_choose_address(body, receiver))
    if "values" in body.model_fields_set:
        changes = replace(changes, **_read_values(body, receiver))
    if "authentication" in body.model_fields_set and body.authentication is not None:
        members = {
            name: value
            for name in _MEMBERS
            if (value := getattr(body.authentication, name)) is not None
        }
        changes = replace(changes, auth=body.authentication.kind, credentials=members)
    given: dict[str, Any] = {
        name: getattr(body, name) or empty
        for name, empty in _CLEARED.items()
        if name in body.model_fields_set
    }
    return replace(changes, **given)


@contextmanager
def pointing_at_fields() -> Iterator[None]:
    """Raise ApiError, with pointers into the body, for values that break a rule of the domain."""
    try:
        yield
    except InvalidError as error:
        problem = invalid_values(InvalidError(_rename(error)), list(texts_of(request)))
        problem.errors = [
            replace(one, pointer=one.pointer.replace("~1", "/")) for one in problem.errors
        ]
        raise problem from None


def find_receiver(
    call: Call[Any, Any], slug: str, *, manage: bool = False, lock: bool = False
) -> models.Receiver:
    """Return the receiver if the caller sees it, or may manage it; raises ApiError."""
    visible = call.principal.scope_of(Right.SEE).of_receivers()
    query = select(models.Receiver).where(models.Receiver.slug == slug, visible)
    receiver = db.session.scalar(query) if slug.isprintable() else None
    if receiver is None:
        raise not_found("receiver")
    if manage and not call.principal.may(Right.MANAGE, receiver.pbx_id):
        raise ApiError(ProblemType.FORBIDDEN, "This needs another role for the receiver.")
    if lock:
        lock_receiver(receiver)
    return receiver


def _choose_address(body: ReceiverSettings, receiver: models.Receiver | None) -> str | None:
    if "address" not in body.model_fields_set or body.address is None:
        return None
    if receiver is not None and body.address == mask_url(receiver.address):
        return None
    if MASK in body.address:
        raise invalid_value(
            "#/address", f"A secret in it is masked as {MASK}. Send the whole address."
        )
    return body.address


def _read_values(body: ReceiverSettings, receiver: models.Receiver | None) -> dict[str, Any]:
    given = body.values or []
    names = [one.name for one in given]
    if len(set(names)) < len(names):
        raise invalid_value("#/values", "Each name may appear only once.")
    known = shown_values(receiver) if receiver else {}
    values = {one.name: one.value for one in given if one.value is not None}
    for name, value in list(values.items()):
        if MASK in value and known.get(name) == value:
            # The masked value that the client got stands for the stored one.
            del values[name]
        elif MASK in value:
            raise invalid_value("#/values", f"A secret in a value is masked as {MASK}. Send it.")
    if any(one.value is None and one.name not in known for one in given):
        raise invalid_value("#/values", "Send a value for each new name.")
    found: dict[str, Any] = {"values": values}
    if receiver is None or not receiver.recipe:
        found["secret_names"] = frozenset(one.name for one in given if one.is_secret)
        found["removed"] = frozenset(known.keys() - set(names))
    return found


def _rename(error: InvalidError) -> dict[str, list[str]]:
    """Return the errors by field of the body: values are a list, so they are about all of it."""
    found: dict[str, list[str]] = {}
    for field, messages in error.errors.items():
        if field.startswith(VALUE_FIELD):
            name = field.removeprefix(VALUE_FIELD)
            found.setdefault("values", []).extend(f"{name}: {text}" for text in messages)
        elif field.startswith(FIELD):
            found[f"authentication/{field.removeprefix(FIELD)}"] = list(messages)
        else:
            found.setdefault(field, []).extend(messages)
    return found
