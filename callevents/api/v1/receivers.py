"""Receivers: list, add, change and remove them."""

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from callevents.api.v1.call import Call
from callevents.api.v1.cursors import find_start, make_page
from callevents.api.v1.models import NoQuery, Page
from callevents.api.v1.operations import Created, operation
from callevents.api.v1.pbx_lookup import find_named_pbx
from callevents.api.v1.problems import ApiError, ProblemType
from callevents.api.v1.reading import invalid_value
from callevents.api.v1.receiver_models import (
    NewReceiver,
    Receiver,
    ReceiverChanges,
    ReceiverQuery,
    ReceiverState,
)
from callevents.api.v1.receiver_values import (
    find_receiver,
    pointing_at_fields,
    to_answer,
    to_changes,
    to_state,
)
from callevents.api_access.scopes import ApiScope
from callevents.db import models
from callevents.enums import Right
from callevents.errors import NotFoundError
from callevents.extensions import db
from callevents.jobs.waker import wake
from callevents.receivers import receivers
from callevents.receivers.changing import make_changed, make_new

TAG = "Receivers"
LIST_NAME = "receivers"
EXAMPLE = {
    "receiver": "our-crm",
    "name": "Our CRM",
    "pbx": None,
    "recipe": None,
    "address": "https://crm.example.com/api/{receiver.team}",
    "values": [{"name": "team", "value": "sales", "is_secret": False}],
    "authentication": {
        "kind": "bearer",
        "username": None,
        "scheme": None,
        "name": None,
        "token_url": None,
        "client_id": None,
        "scope": None,
        "client_auth": None,
    },
    "has_client_certificate": False,
    "max_in_flight": 2,
    "max_per_second": None,
    "created_at": "2026-03-01T09:30:00.000Z",
    "modified_at": "2026-03-01T09:30:00.000Z",
}


@operation(
    "GET",
    "/receivers",
    scope=ApiScope.RECEIVERS_READ,
    summary="List receivers",
    tag=TAG,
    query=ReceiverQuery,
    answer=Page[Receiver],
    answer_example={"data": [EXAMPLE], "next_cursor": None},
    problems=frozenset({ProblemType.INVALID_CURSOR}),
)
def list_receivers(call: Call[ReceiverQuery, None]) -> Page[Receiver]:
    """List the receivers that hooks of the token's owner can use, newest first."""
    query = call.query
    visible = call.principal.scope_of(Right.SEE).of_receivers()
    found = select(models.Receiver).options(joinedload(models.Receiver.pbx)).where(visible)
    if query.pbx is not None:
        pbx = find_named_pbx(call, query.pbx, "?pbx")
        usable = models.Receiver.pbx_id.is_(None) | (models.Receiver.pbx_id == pbx.id)
        found = found.where(usable)
    if query.recipe is not None:
        found = found.where(models.Receiver.recipe == query.recipe)
    if start := find_start(query, LIST_NAME):
        found = found.where(models.Receiver.id < int(start))
    newest = found.order_by(models.Receiver.id.desc()).limit(query.limit + 1)
    rows = db.session.scalars(newest).all()
    return make_page(query, LIST_NAME, rows, lambda receiver: receiver.id, to_answer)


@operation(
    "POST",
    "/receivers",
    scope=ApiScope.RECEIVERS_WRITE,
    summary="Add a receiver",
    tag=TAG,
    status=201,
    body=NewReceiver,
    answer=Receiver,
    has_etag=True,
    body_example={
        "name": "Our CRM",
        "address": "https://crm.example.com/api/{receiver.team}",
        "values": [{"name": "team", "value": "sales"}],
        "authentication": {"kind": "bearer", "token": "s3cret"},
        "max_in_flight": 2,
    },
    answer_example=EXAMPLE,
    problems=frozenset({ProblemType.CONFLICT, ProblemType.NOT_FOUND}),
)
def create_receiver(call: Call[NoQuery, NewReceiver]) -> Created:
    """Add a receiver: by a recipe, with the answers to its questions, or by its address.

    For all PBXs, the owner of the token must be an admin of all; for one, an admin of it.
    """
    body = call.body
    pbx = None if body.pbx is None else find_named_pbx(call, body.pbx, "#/pbx")
    if not call.principal.may(Right.MANAGE, pbx.id if pbx else None):
        raise ApiError(ProblemType.FORBIDDEN, "This needs another role for the PBX.")
    changes = to_changes(body)
    try:
        with pointing_at_fields():
            data = make_new(body.name, body.recipe or "", pbx.id if pbx else None, changes)
            receiver = receivers.create_receiver(data)
    except NotFoundError:
        raise invalid_value("#/recipe", "There is no such recipe.") from None
    return Created(to_answer(receiver), f"/receivers/{receiver.slug}")


@operation(
    "GET",
    "/receivers/{receiver}",
    scope=ApiScope.RECEIVERS_READ,
    summary="Get a receiver",
    tag=TAG,
    answer=Receiver,
    answer_example=EXAMPLE,
    has_etag=True,
)
def get_receiver(call: Call[NoQuery, None], receiver: str) -> Receiver:
    """Return a receiver, without its secrets."""
    return to_answer(find_receiver(call, receiver))


@operation(
    "GET",
    "/receivers/{receiver}/state",
    scope=ApiScope.RECEIVERS_READ,
    summary="Get the state of a receiver",
    tag=TAG,
    answer=ReceiverState,
    answer_example={
        "health": "paused",
        "missing_secrets": [],
        "hooks": 80,
        "active_hooks": 78,
        "suspended_hooks": 0,
        "failing_since": "2026-03-02T14:00:00.000Z",
        "paused_until": "2026-03-02T14:05:10.000Z",
        "pause_reason": "No connection within 5 seconds.",
        "renewal_error": "",
        "certificate_warning": "",
        "waiting_deliveries": 12,
        "delivered_last_hour": 340,
        "failed_last_hour": 0,
        "last_delivery_id": "019caa1e-6a1c-7b52-8d0e-5b2f4a6c7d10",
    },
)
def get_receiver_state(call: Call[NoQuery, None], receiver: str) -> ReceiverState:
    """Return whether the receiver takes its requests, and what was delivered lately.

    The numbers are those of all its hooks, also of PBXs that the token's owner does not see.
    """
    return to_state(find_receiver(call, receiver))


@operation(
    "PATCH",
    "/receivers/{receiver}",
    scope=ApiScope.RECEIVERS_WRITE,
    summary="Change a receiver",
    tag=TAG,
    body=ReceiverChanges,
    answer=Receiver,
    has_etag=True,
    body_example={"max_in_flight": 4},
    answer_example=EXAMPLE | {"max_in_flight": 4},
    problems=frozenset({ProblemType.CONFLICT, ProblemType.PRECONDITION_FAILED}),
)
def update_receiver(call: Call[NoQuery, ReceiverChanges], receiver: str) -> Receiver:
    """Change the fields that you send. Secrets that you leave out are kept.

    - If the address changes, so do the URLs of all hooks of the receiver.
    - If it changes to another origin, send all secrets again.
    - Another address, or a new secret, resumes hooks that are suspended, unless a secret that was
      left out of an import is still missing.
    """
    found = find_receiver(call, receiver, manage=True, lock=True)
    call.check_match(to_answer(found))
    changes = to_changes(call.body, found)
    if "name" in call.body.model_fields_set:
        changes = changes.named(call.body.name)
    with pointing_at_fields():
        receivers.update_receiver(found, make_changed(found, changes))
    call.after_commit(wake)
    return to_answer(found)


@operation(
    "DELETE",
    "/receivers/{receiver}",
    scope=ApiScope.RECEIVERS_WRITE,
    summary="Remove a receiver",
    tag=TAG,
    status=204,
    problems=frozenset({ProblemType.CONFLICT, ProblemType.PRECONDITION_FAILED}),
)
def delete_receiver(call: Call[NoQuery, None], receiver: str) -> None:
    """Remove a receiver. 409 if it has hooks: remove these first."""
    found = find_receiver(call, receiver, manage=True, lock=True)
    call.check_match(to_answer(found))
    receivers.remove_receiver(found)
