"""A program that uses the API by a client that openapi-python-client made from the document.

Usage: client.py ADDRESS TOKEN RECEIVER. Prints what it found as JSON.
"""

import json
import sys
import time

from callevents_client import AuthenticatedClient
from callevents_client.api.calls_and_call_events import send_event
from callevents_client.api.deliveries import (
    get_delivery,
    get_delivery_attempt,
    list_delivery_attempts,
)
from callevents_client.api.hooks import create_hook, get_hook, list_hooks, update_hook
from callevents_client.models import (
    Attempt,
    AttemptSummaryPage,
    CallEventDetails,
    Delivery,
    Hook,
    HookChanges,
    HookPage,
    Method,
    NewCallEvent,
    NewCallEventEvent,
    NewHook,
    NewHookEvent,
    Problem,
)

WAIT_SECONDS = 60


def main(address: str, token: str, receiver: str) -> None:
    """Create a hook, report an event, and read its attempt."""
    client = AuthenticatedClient(address, token, raise_on_unexpected_status=True)
    new = NewHook(
        pbx="head-office",
        extension="101",
        event=NewHookEvent.DIAL_IN,
        url=f"{receiver}/from-python",
        method=Method.POST,
    )
    hook = create_hook.sync(client=client, body=new, idempotency_key="python-1")
    assert isinstance(hook, Hook), hook
    again = create_hook.sync_detailed(client=client, body=new, idempotency_key="python-1")
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.parsed == hook

    event = NewCallEvent(pbx="head-office", extension="101", event=NewCallEventEvent.DIAL_IN)
    sent = send_event.sync(client=client, body=event)
    assert isinstance(sent, CallEventDetails), sent
    delivery = wait_for_delivery(client, sent, hook)
    attempts = list_delivery_attempts.sync(delivery.id, client=client)
    assert isinstance(attempts, AttemptSummaryPage), attempts
    attempt = get_delivery_attempt.sync(delivery.id, str(attempts.data[0].number), client=client)
    assert isinstance(attempt, Attempt), attempt

    tag = get_hook.sync_detailed(hook.event_id, client=client).headers["ETag"]
    changes = HookChanges(note="by Python")
    changed = update_hook.sync(hook.event_id, client=client, body=changes, if_match=tag)
    assert isinstance(changed, Hook), changed
    stale = update_hook.sync(hook.event_id, client=client, body=changes, if_match=tag)
    assert isinstance(stale, Problem), stale
    found = {
        "status": attempt.status_code,
        "body": attempt.request.body,
        "note": changed.note,
        "hooks": count_hooks(client),
        "stale": stale.type_,
    }
    sys.stdout.write(json.dumps(found))


def wait_for_delivery(client: AuthenticatedClient, sent: CallEventDetails, hook: Hook) -> Delivery:
    """Wait until the hook's delivery has been made; return it."""
    give_up_at = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < give_up_at:
        for delivery_id in sent.deliveries:
            delivery = get_delivery.sync(delivery_id, client=client)
            assert isinstance(delivery, Delivery), delivery
            if delivery.hook == hook.event_id and delivery.state == "delivered":
                return delivery
        time.sleep(0.05)
    raise AssertionError("the delivery was not made in time")


def count_hooks(client: AuthenticatedClient) -> int:
    """Count the hooks page by page."""
    count, cursor = 0, ""
    while True:
        page = list_hooks.sync(client=client, limit=1, cursor=cursor)
        assert isinstance(page, HookPage), page
        count += len(page.data)
        if page.next_cursor is None:
            return count
        cursor = page.next_cursor


if __name__ == "__main__":
    main(*sys.argv[1:])
