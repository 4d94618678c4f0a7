"""Actions on receivers: connect, disconnect, test, recover."""

from typing import Any

from flask import Response

from callevents.api.v1.call import Call
from callevents.api.v1.deliveries_examples import COUNTS
from callevents.api.v1.deliveries_models import DeliveryCounts, DeliveryQuery
from callevents.api.v1.delivery_actions import RESEND, act_on_matching
from callevents.api.v1.headers import removal_answer
from callevents.api.v1.hooks_actions import to_test_answer
from callevents.api.v1.hooks_examples import TEST_EXAMPLE
from callevents.api.v1.hooks_models import HookTest, Recovery
from callevents.api.v1.models import NoQuery
from callevents.api.v1.operations import REMOVAL_HEADER, operation
from callevents.api.v1.pbx_lookup import find_named_pbx
from callevents.api.v1.problems import ApiError, ProblemType
from callevents.api.v1.reading import invalid_value
from callevents.api.v1.receiver_models import (
    Connection,
    ConnectionChoice,
    DisconnectionChoice,
    ReceiverTestChoice,
)
from callevents.api.v1.receiver_values import find_receiver, pointing_at_fields, to_hook
from callevents.api.v1.receivers import TAG
from callevents.api_access.scopes import ApiScope
from callevents.db import models
from callevents.enums import ListedState, Right
from callevents.jobs.waker import wake
from callevents.pbxs import extensions
from callevents.receivers.connect import connect, disconnect
from callevents.receivers.status import failed_since
from callevents.receivers.test_request import send_receiver_test


@operation(
    "POST",
    "/receivers/{receiver}/connect",
    scope=ApiScope.RECEIVERS_WRITE,
    summary="Connect extensions",
    tag=TAG,
    body=ConnectionChoice,
    answer=Connection,
    body_example={"pbx": "head-office", "extensions": ["101"]},
    answer_example={
        "created": [
            {
                "event_id": "q3XbWn7TtC0vJ8mYzK5pLrD2sHfGa1",
                "extension": "101",
                "request": "new-call",
            }
        ],
        "kept": [],
        "change_id": "019caa1e-6a1c-7b52-8d0e-5b2f4a6c7d10",
    },
    problems=frozenset({ProblemType.CONFLICT}),
)
def connect_extensions(call: Call[NoQuery, ConnectionChoice], receiver: str) -> Connection:
    """Make the hooks of the receiver's recipe for extensions, or for all of a PBX.

    Hooks that exist already stay as they are, so the same request can be sent again. 409 if the
    receiver has no recipe, or if single extensions are connected already and you connect all.
    With `change_id` it can be undone for half an hour. An extension gets no hook for a request that
    one for all extensions serves, which is in `kept` only if you may see it.
    """
    body = call.body
    found = find_receiver(call, receiver)
    pbx = find_named_pbx(call, body.pbx, "#/pbx")
    chosen = _choose_extensions(call, pbx, body.extensions)
    with pointing_at_fields():
        connected = connect(found, pbx, chosen, body.requests)
    call.after_commit(wake)
    # The owner of an extension does not see the requests for all extensions.
    kept = [
        one for one in connected.kept if call.principal.may(Right.SEE, pbx.id, one.extension_id)
    ]
    return Connection(
        created=list(map(to_hook, connected.created)),
        kept=list(map(to_hook, kept)),
        change_id=connected.change_id or None,
    )


@operation(
    "POST",
    "/receivers/{receiver}/disconnect",
    scope=ApiScope.RECEIVERS_WRITE,
    summary="Disconnect extensions",
    tag=TAG,
    status=204,
    body=DisconnectionChoice,
    body_example={"pbx": "head-office", "extensions": ["101"]},
    more_headers=(REMOVAL_HEADER,),
)
def disconnect_extensions(call: Call[NoQuery, DisconnectionChoice], receiver: str) -> Response:
    """Remove the receiver's hooks of extensions, or all that it has in a PBX.

    This can be undone for half a minute, like the removal of a hook.
    """
    found = find_receiver(call, receiver)
    pbx = find_named_pbx(call, call.body.pbx, "#/pbx")
    chosen = _choose_extensions(call, pbx, call.body.extensions)
    removed = disconnect(found, pbx, chosen)
    call.after_commit(wake)
    return removal_answer(removed)


@operation(
    "POST",
    "/receivers/{receiver}/test",
    scope=ApiScope.RECEIVERS_WRITE,
    summary="Send a test request to a receiver",
    tag=TAG,
    body=ReceiverTestChoice,
    answer=HookTest,
    is_external=True,
    body_example={"pbx": "head-office"},
    answer_example=TEST_EXAMPLE,
    problems=frozenset({ProblemType.CONFLICT}),
)
def send_receiver_test_request(call: Call[NoQuery, ReceiverTestChoice], receiver: str) -> HookTest:
    """Send a request of the receiver's recipe for an example call, and return the response.

    It makes no delivery. A user can run one test at a time: one more is a conflict (409), and so is
    a receiver without a recipe.
    """
    body = call.body
    found = find_receiver(call, receiver)
    pbx = find_named_pbx(call, body.pbx, "#/pbx")
    _require(call, Right.EDIT, pbx)
    with pointing_at_fields():
        test = send_receiver_test(
            found,
            pbx,
            call.principal.user.id,
            extension=body.extension or "",
            request=body.request or "",
        )
    return to_test_answer(test.response)


@operation(
    "POST",
    "/receivers/{receiver}/recover",
    scope=ApiScope.RECEIVERS_WRITE,
    summary="Send the failed deliveries of a receiver again",
    tag=TAG,
    body=Recovery,
    answer=DeliveryCounts,
    body_example={"since": "2026-03-01T09:30:00Z", "dry_run": True},
    answer_example={**COUNTS, "dry_run": True},
    problems=frozenset({ProblemType.INVALID_CURSOR}),
)
def recover_receiver(call: Call[NoQuery, Recovery], receiver: str) -> DeliveryCounts:
    """Send the failed deliveries of all hooks of a receiver again, newest first.

    The owner of the token must be an admin of the receiver. One request sends at most 1,000; send
    it again with `cursor` until `next_cursor` is null.
    """
    found, body = find_receiver(call, receiver, manage=True), call.body
    wanted = failed_since(found, body.since)
    page = DeliveryQuery(
        state=ListedState.FAILED, origin=wanted.origin, since=body.since, cursor=body.cursor or ""
    )
    return act_on_matching(call, RESEND, wanted, page, dry_run=body.dry_run)


def _require(call: Call[Any, Any], right: Right, pbx: models.Pbx) -> None:
    if not call.principal.may(right, pbx.id):
        raise ApiError(ProblemType.FORBIDDEN, "This needs another role for the PBX.")


def _choose_extensions(
    call: Call[Any, Any], pbx: models.Pbx, numbers: list[str] | None
) -> list[models.Extension] | None:
    """Return the extensions that the caller may edit, None for all; raises ApiError."""
    if numbers is None:
        _require(call, Right.EDIT, pbx)
        return None
    visible = call.principal.scope_of(Right.SEE)
    there = {one.number: one for one in extensions.list_extensions(pbx, scope=visible)}
    if any(number not in there for number in numbers):
        raise invalid_value("#/extensions", "The PBX does not have all of these extensions.")
    chosen = [there[number] for number in dict.fromkeys(numbers)]
    if not all(call.principal.may(Right.EDIT, pbx.id, one.id) for one in chosen):
        raise ApiError(ProblemType.FORBIDDEN, "This needs another role for the extensions.")
    return chosen
