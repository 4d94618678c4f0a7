"""Tests of what is done with hooks: resume, test, recover, signing secrets."""

import threading
from collections import Counter
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select, update
from standardwebhooks import Webhook

from callevents import audit
from callevents.api.v1 import delivery_actions
from callevents.api.v1.problems import ProblemType
from callevents.db.models import Delivery, Hook, Pbx, utc_now
from callevents.db.session import begin_write
from callevents.enums import AuthKind, DeliveryState, EventType, Method
from callevents.extensions import cipher, db
from callevents.hooks import hooks
from callevents.hooks.options import Credentials, CustomHeader, HookOptions
from callevents.hooks.test_request import MAX_BODY_SHOWN
from callevents.ingest.accept import accept
from callevents.ingest.report import Report
from tests.api.v1.conftest import Api, MakeApi, check_actor, check_problem, last_entry
from tests.conftest import Configure
from tests.support.receiver import Receiver, Reply
from tests.support.waiting import wait_until


def stored(hook: Hook) -> Hook:
    """Return the hook as it is stored."""
    db.session.rollback()
    db.session.refresh(hook)
    return hook


def with_secrets(pbx: Pbx, url: str) -> Hook:
    """Add a hook with a header and a token."""
    options = HookOptions(
        headers=[CustomHeader("X-Key", "k3y-k3y")],
        credentials=Credentials(AuthKind.BEARER, secret="s3cret-token"),
    )
    begin_write()
    data = hooks.HookData(url, Method.POST, options=options)
    hook = hooks.create_hook(pbx, None, EventType.HANGUP, data)
    db.session.commit()
    return hook


def test_resume(admin: Api, pbx: Pbx, configure: Configure) -> None:
    """A suspended hook sends again, which is recorded; another one stays as it is."""
    hook = configure.hook("101", EventType.HANGUP, "http://a.example/")
    begin_write()
    hook.suspended_at = hook.failing_since = utc_now()
    hook.suspended_reason = "The receiver returned 410 Gone."
    db.session.commit()
    shown = admin.get(f"/hooks/{hook.event_id}").get_json()
    assert shown["suspended_reason"] == "The receiver returned 410 Gone."
    answer = admin.post(f"/hooks/{hook.event_id}/resume")
    assert answer.status_code == 200
    resumed = answer.get_json()
    names = ("suspended_at", "suspended_reason", "failing_since")
    assert [resumed[name] for name in names] == [None, "", None]
    assert stored(hook).suspended_at is None
    entry = last_entry()
    assert entry.action == audit.Action.HOOK_RESUMED
    check_actor(entry, admin)
    assert admin.post(f"/hooks/{hook.event_id}/resume").get_json() == resumed
    assert last_entry().id == entry.id


def test_a_test_request(admin: Api, pbx: Pbx, receiver: Receiver) -> None:
    """It has the stored values and a mark; the answer is what came back, without secrets."""
    hook = with_secrets(pbx, receiver.url + "/{EventType}")
    receiver.reply = lambda arrival: Reply(
        status=503,
        headers={"X-Echo": arrival.headers["X-Key"]},
        body=b"<b>busy</b> " + arrival.headers["Authorization"].encode(),
    )
    answer = admin.post(f"/hooks/{hook.event_id}/test")
    [arrival] = receiver.arrivals
    assert (arrival.method, arrival.path) == ("POST", "/hangup")
    assert arrival.headers["Authorization"] == "Bearer s3cret-token"
    assert arrival.parameters["Test"] == "1"
    assert arrival.parameters["EventID"] == hook.event_id
    assert answer.status_code == 200
    result = answer.get_json()
    assert (result["status_code"], result["is_successful"]) == (503, False)
    assert result["error"] == "The receiver returned 503 Service Unavailable."
    assert result["body"].startswith("<b>busy</b> ")
    assert result["is_truncated"] is False
    assert result["duration_ms"] >= 0
    assert "X-Echo" in [header["name"] for header in result["headers"]]
    assert not any(secret in answer.text for secret in ("k3y-k3y", "s3cret-token"))
    assert db.session.scalar(select(Delivery.id)) is None
    entry = last_entry()
    assert (entry.action, entry.object_id) == (*(audit.Action.TEST_REQUEST_SENT, hook.event_id),)
    check_actor(entry, admin)


def test_a_successful_test_with_a_long_body(admin: Api, pbx: Pbx, receiver: Receiver) -> None:
    """The body is cut at the same length as on the page; without an error it is empty."""
    hook = with_secrets(pbx, receiver.url)
    receiver.reply = lambda _arrival: Reply(body=b"a" * (MAX_BODY_SHOWN + 1))
    result = admin.post(f"/hooks/{hook.event_id}/test").get_json()
    assert (result["is_successful"], result["error"], result["is_truncated"]) == (True, "", True)
    assert len(result["body"]) == MAX_BODY_SHOWN


def test_a_test_without_a_response(admin: Api, pbx: Pbx, configure: Configure) -> None:
    """An address that is not allowed, or where nothing listens, is an answer with the error."""
    hook = configure.hook("101", EventType.HANGUP, "http://169.254.169.254/latest")
    result = admin.post(f"/hooks/{hook.event_id}/test").get_json()
    assert (result["status_code"], result["is_successful"], result["headers"]) == (None, False, [])
    assert "The address 169.254.169.254 is link-local" in result["error"]


def test_unreadable_secrets(admin: Api, pbx: Pbx, receiver: Receiver) -> None:
    """A hook whose secrets no key decrypts is not sent, and the answer says what to do."""
    hook = with_secrets(pbx, receiver.url)
    begin_write()
    hook.auth_secret = "nothing that was encrypted"
    db.session.commit()
    document = check_problem(admin.post(f"/hooks/{hook.event_id}/test"), ProblemType.CONFLICT)
    assert "cannot be decrypted" in document["detail"]
    assert not receiver.arrivals


def test_one_test_at_a_time(api: MakeApi, app: Flask, pbx: Pbx, receiver: Receiver) -> None:
    """While one of a user is running, another one is a conflict; that of another user is not."""
    go_on = threading.Event()
    hook = with_secrets(pbx, receiver.url)
    path = f"/hooks/{hook.event_id}/test"
    mine, theirs = api(), api()
    receiver.reply = lambda _arrival: Reply(hold=lambda: bool(go_on.wait(10)) and None)
    running = threading.Thread(target=lambda: mine.post(path))
    running.start()
    wait_until(lambda: receiver.arrivals, "the first test")
    document = check_problem(mine.post(path), ProblemType.CONFLICT)
    assert document["detail"] == "Your previous test is still running."
    receiver.reply = lambda _arrival: Reply()
    assert theirs.post(path).status_code == 200
    go_on.set()
    running.join()
    assert mine.post(path).status_code == 200


def test_a_repeated_test(admin: Api, pbx: Pbx, receiver: Receiver) -> None:
    """With an Idempotency-Key the request is sent once, and the answer is the same."""
    hook = with_secrets(pbx, receiver.url)
    headers = {"Idempotency-Key": "k1"}
    first, again = (admin.post(f"/hooks/{hook.event_id}/test", headers=headers) for _ in range(2))
    assert first.get_json() == again.get_json()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert len(receiver.arrivals) == 1


def test_signing_secret(admin: Api, pbx: Pbx, receiver: Receiver) -> None:
    """A new secret is returned once and signs; the one before is valid for a day, then neither."""
    hook = with_secrets(pbx, receiver.url)
    path = f"/hooks/{hook.event_id}"
    first = admin.post(f"{path}/signing-secret").get_json()
    assert first["previous_secret_until"] is None
    assert admin.get(path).get_json()["is_signed"] is True
    second = admin.post(f"{path}/signing-secret").get_json()
    assert admin.get(path).get_json()["previous_secret_until"] == second["previous_secret_until"]
    entry = last_entry()
    assert entry.action == audit.Action.HOOK_SIGNING_CHANGED
    check_actor(entry, admin)
    admin.post(f"{path}/test")
    [arrival] = receiver.arrivals
    for secret in (first["secret"], second["secret"]):
        Webhook(secret).verify(arrival.body, arrival.headers, json_parse=False)
    assert second["secret"] not in admin.get(path).text
    assert admin.delete(f"{path}/signing-secret").status_code == 204
    assert admin.get(path).get_json()["is_signed"] is False
    assert stored(hook).signing_secret == ""
    admin.post(f"{path}/test")
    assert "webhook-id" not in receiver.arrivals[-1].headers


def test_a_repeated_signing_secret(admin: Api, pbx: Pbx, configure: Configure) -> None:
    """With an Idempotency-Key there is one new secret, and the kept answer is encrypted."""
    hook = configure.hook("101", EventType.HANGUP, "http://a.example/")
    path, headers = f"/hooks/{hook.event_id}/signing-secret", {"Idempotency-Key": "k1"}
    first, again = (admin.post(path, headers=headers).get_json() for _ in range(2))
    assert first == again
    assert cipher.bound.decrypt(stored(hook).signing_secret) == first["secret"]
    assert hook.previous_signing_secret == ""


def test_removing_a_signing_secret_heeds_the_etag(
    admin: Api, pbx: Pbx, configure: Configure
) -> None:
    """The ETag is that of the hook."""
    hook = configure.hook("101", EventType.HANGUP, "http://a.example/")
    path = f"/hooks/{hook.event_id}"
    old = admin.get(path).headers["ETag"]
    admin.post(f"{path}/signing-secret")
    answer = admin.delete(f"{path}/signing-secret", headers={"If-Match": old})
    check_problem(answer, ProblemType.PRECONDITION_FAILED)
    assert stored(hook).signing_secret


def failed(pbx: Pbx, configure: Configure, count: int) -> Hook:
    """Add a hook with so many failed deliveries, and another one with one."""
    hook = configure.hook("101", EventType.HANGUP, "http://a.example/")
    configure.hook("102", EventType.HANGUP, "http://a.example/")
    begin_write()
    numbers = ["101"] * count + ["102"]
    accept(pbx, [Report(event_type=EventType.HANGUP, extension=number) for number in numbers])
    db.session.execute(update(Delivery).values(state=DeliveryState.FAILED))
    db.session.commit()
    return hook


def states(hook: Hook) -> Counter[DeliveryState]:
    """Return how many deliveries of the hook are in which state, and check all others."""
    db.session.rollback()
    others = select(Delivery.state).where(Delivery.hook_id != hook.id)
    assert set(db.session.scalars(others)) == {DeliveryState.FAILED}
    return Counter(db.session.scalars(select(Delivery.state).where(Delivery.hook_id == hook.id)))


def test_recover(admin: Api, pbx: Pbx, configure: Configure) -> None:
    """A dry run counts; then the failed deliveries of this hook are pending again."""
    hook = failed(pbx, configure, 3)
    path, body = f"/hooks/{hook.event_id}/recover", {"since": "2026-01-01T01:00:00+01:00"}
    expected = {"dry_run": True, "matched": 3, "changed": 3, "skipped": [], "next_cursor": None}
    assert admin.post(path, body | {"dry_run": True}).get_json() == expected
    assert states(hook) == {DeliveryState.FAILED: 3}
    assert admin.post(path, body).get_json() == expected | {"dry_run": False}
    assert states(hook) == {DeliveryState.PENDING: 3}
    entry = last_entry()
    assert (entry.action, entry.object_name) == (
        *(audit.Action.DELIVERY_SENT_AGAIN, "3 deliveries"),
    )
    check_actor(entry, admin)
    assert admin.post(path, body).get_json()["matched"] == 0


def test_recover_since_a_moment(admin: Api, pbx: Pbx, configure: Configure) -> None:
    """Older deliveries stay failed."""
    hook = failed(pbx, configure, 2)
    later = (utc_now() + timedelta(minutes=1)).isoformat()
    answer = admin.post(f"/hooks/{hook.event_id}/recover", {"since": later})
    assert answer.get_json()["matched"] == 0
    assert states(hook) == {DeliveryState.FAILED: 2}


def test_recover_skips_what_cannot_be_sent(admin: Api, pbx: Pbx, configure: Configure) -> None:
    """Deliveries of a suspended hook are counted with the reason, by a dry run too."""
    hook = failed(pbx, configure, 2)
    begin_write()
    hook.suspended_at = utc_now()
    db.session.commit()
    skipped = [{"reason": "suspended", "detail": "the request is suspended", "count": 2}]
    for dry_run in (True, False):
        body = {"since": "2026-01-01T00:00:00Z", "dry_run": dry_run}
        counts = admin.post(f"/hooks/{hook.event_id}/recover", body).get_json()
        assert (counts["matched"], counts["changed"], counts["skipped"]) == (2, 0, skipped)
    assert states(hook) == {DeliveryState.FAILED: 2}


def test_recover_part_by_part(
    admin: Api, pbx: Pbx, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than one request sends again are reached with the cursor, which is bound to the hook."""
    monkeypatch.setattr(delivery_actions, "MAX_CHANGED", 2)
    hook = failed(pbx, configure, 3)
    body = {"since": "2026-01-01T00:00:00Z"}
    first = admin.post(f"/hooks/{hook.event_id}/recover", body).get_json()
    assert (first["changed"], states(hook)[DeliveryState.FAILED]) == (2, 1)
    body["cursor"] = first["next_cursor"]
    other = configure.hook("101", EventType.HANGUP, "http://a.example/")
    answer = admin.post(f"/hooks/{other.event_id}/recover", body)
    check_problem(answer, ProblemType.INVALID_CURSOR)
    rest = admin.post(f"/hooks/{hook.event_id}/recover", body).get_json()
    assert (rest["changed"], rest["next_cursor"]) == (1, None)
    assert states(hook) == {DeliveryState.PENDING: 3}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#/since"),
        ({"since": "2026-01-01T00:00:00"}, "#/since"),
        ({"since": "yesterday"}, "#/since"),
        ({"since": "0001-01-01T00:00:00+14:00"}, "#/since"),
        ({"since": "2026-01-01T00:00:00Z", "dry_run": "yes"}, "#/dry_run"),
    ],
)
def test_invalid_recoveries(
    admin: Api, pbx: Pbx, configure: Configure, body: dict[str, str], pointer: str
) -> None:
    """The moment is needed, with an offset, and within the calendar."""
    hook = configure.hook("101", EventType.HANGUP, "http://a.example/")
    answer = admin.post(f"/hooks/{hook.event_id}/recover", body)
    check_problem(answer, ProblemType.INVALID_REQUEST, pointer)


def test_the_ends_of_the_calendar(admin: Api, pbx: Pbx, configure: Configure) -> None:
    """Moments before and after all deliveries are valid."""
    hook = failed(pbx, configure, 1)
    for since, matched in (("0001-01-02T00:00:00Z", 1), ("9999-12-31T23:59:59Z", 0)):
        body = {"since": since, "dry_run": True}
        counts = admin.post(f"/hooks/{hook.event_id}/recover", body).get_json()
        assert counts["matched"] == matched
