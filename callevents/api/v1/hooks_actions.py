"""Actions on hooks: resume and test them, and change their signing secrets."""

from functools import partial
from typing import Any

from callevents.api.v1.call import Call
from callevents.api.v1.deliveries_examples import COUNTS
from callevents.api.v1.deliveries_models import DeliveryCounts, DeliveryQuery, HeaderField
from callevents.api.v1.delivery_actions import RESEND, act_on_matching
from callevents.api.v1.hooks import TAG, find_hook
from callevents.api.v1.hooks_examples import EXAMPLE, TEST_EXAMPLE
from callevents.api.v1.hooks_models import (
    Hook,
    HookTest,
    Recovery,
    SigningSecret,
)
from callevents.api.v1.hooks_values import to_answer
from callevents.api.v1.models import NoQuery
from callevents.api.v1.operations import operation
from callevents.api.v1.problems import ApiError, ProblemType
from callevents.api_access.scopes import ApiScope
from callevents.audit.targets import of_hook
from callevents.db.models import Hook as StoredHook
from callevents.delivery.http.client import Response
from callevents.delivery.log.filters import Filter
from callevents.enums import ListedState, Right
from callevents.hooks import signing_secret, suspension
from callevents.hooks.receiver import NEEDS_PBX, may_choose
from callevents.hooks.test_request import TestResult, build_stored, send_test


@operation(
    "POST",
    "/hooks/{event_id}/resume",
    scope=ApiScope.HOOKS_WRITE,
    summary="Resume a hook",
    tag=TAG,
    answer=Hook,
    has_etag=True,
    answer_example=EXAMPLE,
    problems=frozenset({ProblemType.CONFLICT}),
)
def resume_hook(call: Call[NoQuery, None], event_id: str) -> Hook:
    """Let a suspended hook send again. One that is not suspended stays as it is.

    409 if a secret of the hook, or of its receiver, was left out of an import: `detail` says what
    to enter. Its failed deliveries stay failed: send them again with `/hooks/{event_id}/recover`.
    """
    hook = find_hook(call, event_id, Right.EDIT, lock=True)
    suspension.resume(hook)
    return to_answer(hook)


@operation(
    "POST",
    "/hooks/{event_id}/test",
    scope=ApiScope.HOOKS_WRITE,
    summary="Send a test request",
    tag=TAG,
    answer=HookTest,
    is_external=True,
    answer_example=TEST_EXAMPLE,
    problems=frozenset({ProblemType.CONFLICT}),
)
def send_hook_test(call: Call[NoQuery, None], event_id: str) -> HookTest:
    """Send the request of a hook for an example call at once, and return the response.

    The request has one more parameter, `Test` with the value `1`. It is also sent if the hook is
    inactive or suspended, and it makes no delivery. A user can run one test at a time, on the pages
    and with all tokens together, and a process of the server four: one more is a conflict (409),
    and so is a hook whose secrets cannot be decrypted. The owner of a single extension cannot test
    a hook of a receiver.
    """
    hook = find_hook(call, event_id, Right.EDIT)
    _check_choice(call, hook)
    about = of_hook(hook, hook.extension)
    user_id = call.principal.user.id
    response = send_test(partial(build_stored, hook), about, hook.event_type, user_id)
    return to_test_answer(response)


@operation(
    "POST",
    "/hooks/{event_id}/recover",
    scope=ApiScope.HOOKS_WRITE,
    summary="Send failed deliveries again",
    tag=TAG,
    body=Recovery,
    answer=DeliveryCounts,
    body_example={"since": "2026-03-01T09:30:00Z", "dry_run": True},
    answer_example={**COUNTS, "dry_run": True},
    problems=frozenset({ProblemType.INVALID_CURSOR}),
)
def recover_hook(call: Call[NoQuery, Recovery], event_id: str) -> DeliveryCounts:
    """Send the failed deliveries of a hook again that were created since a moment, newest first.

    One request sends at most 1,000; with `dry_run` it counts at most 10,000 and sends none. If
    there may be more, `next_cursor` is set: send the same again with this `cursor` until it is
    null. Those of a hook that is inactive or suspended are skipped.
    """
    hook, body = find_hook(call, event_id, Right.EDIT), call.body
    wanted = Filter(hook.pbx, ListedState.FAILED, hook=hook.event_id, since=body.since)
    page = DeliveryQuery(
        state=ListedState.FAILED, hook=hook.event_id, since=body.since, cursor=body.cursor or ""
    )
    return act_on_matching(call, RESEND, wanted, page, dry_run=body.dry_run)


@operation(
    "POST",
    "/hooks/{event_id}/signing-secret",
    scope=ApiScope.HOOKS_WRITE,
    summary="Generate a signing secret",
    tag=TAG,
    answer=SigningSecret,
    answer_example={
        "secret": "whsec_RXhhbXBsZSBvZiBhIHNlY3JldCwgZm9yIHBhZ2Vz",
        "previous_secret_until": "2026-03-02T09:30:00.000Z",
    },
)
def create_signing_secret(call: Call[NoQuery, None], event_id: str) -> SigningSecret:
    """Generate a new signing secret and return it, only once. Requests are signed from now on.

    If there was one, requests are signed with both for 24 hours, so that the receiver can switch.
    The owner of a single extension cannot change how requests of a receiver are signed.
    """
    hook = find_hook(call, event_id, Right.EDIT, lock=True)
    _check_choice(call, hook)
    secret = signing_secret.rotate_secret(hook)
    return SigningSecret(secret=secret, previous_secret_until=hook.previous_secret_until)


@operation(
    "DELETE",
    "/hooks/{event_id}/signing-secret",
    scope=ApiScope.HOOKS_WRITE,
    summary="Remove the signing secret",
    tag=TAG,
    status=204,
    problems=frozenset({ProblemType.PRECONDITION_FAILED}),
)
def delete_signing_secret(call: Call[NoQuery, None], event_id: str) -> None:
    """Stop signing the requests of a hook. `If-Match` takes the ETag of the hook."""
    hook = find_hook(call, event_id, Right.EDIT, lock=True)
    _check_choice(call, hook)
    call.check_match(to_answer(hook))
    signing_secret.remove_secret(hook)


def _check_choice(call: Call[Any, Any], hook: StoredHook) -> None:
    """Raise ApiError if the caller may not choose what the hook sends to its receiver."""
    if not may_choose(call.principal.scope_of(Right.EDIT), hook.pbx_id, hook.receiver_id):
        raise ApiError(ProblemType.FORBIDDEN, NEEDS_PBX)


def to_test_answer(response: Response) -> HookTest:
    """Return what came back for a test request."""
    shown = TestResult(response)
    return HookTest(
        started_at=response.started_at,
        duration_ms=response.duration_ms,
        is_successful=response.is_success,
        status_code=response.status_code,
        error=response.error,
        headers=[HeaderField(name=name, value=value) for name, value in response.headers],
        body=shown.body,
        is_truncated=shown.is_cut,
    )
