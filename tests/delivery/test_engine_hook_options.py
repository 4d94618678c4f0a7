"""Hook options end to end: what arrives, what is stored, and lost keys."""

import json
import math

from standardwebhooks import Webhook

from callevents.config.settings import Settings
from callevents.db.models import Hook, Pbx
from callevents.db.session import begin_write
from callevents.delivery.engine import Engine
from callevents.enums import AuthKind, BodyFormat, DeliveryState, EventType, Method, ParameterSet
from callevents.extensions import cipher, db
from callevents.hooks import hooks, signing_secret
from callevents.hooks.options import Credentials, CustomHeader, HookOptions
from callevents.processes.worker import run
from tests.delivery.conftest import ReportEvents, list_attempts
from tests.support.log_capture import Logged
from tests.support.receiver import Receiver
from tests.support.waiting import wait_for_delivery, wait_for_state

SECRETIVE = HookOptions(
    body_format=BodyFormat.JSON,
    parameters=ParameterSet.VOIPNOW,
    headers=(CustomHeader("X-Key", "k3y"), CustomHeader("X-Call", "call {CalledExtension}")),
    credentials=Credentials(AuthKind.BASIC, "ana", "s3cret"),
)


def create(pbx: Pbx, url: str, options: HookOptions = SECRETIVE) -> tuple[Hook, str]:
    """Create a signed hook; return it and its secret."""
    begin_write()
    hook = hooks.create_hook(
        pbx, None, EventType.DIAL_IN, hooks.HookData(method=Method.POST, url=url, options=options)
    )
    secret = signing_secret.rotate_secret(hook)
    db.session.commit()
    return hook, secret


def test_request_follows_the_options(
    pbx: Pbx, receiver: Receiver, engine: Engine, report_events: ReportEvents
) -> None:
    """URL, headers, credentials, body and signature arrive; what is stored has no secret."""
    _hook, secret = create(pbx, receiver.url + "/of/{CalledExtension}?call={CallID}")
    [delivery_id] = report_events()
    engine.start()
    [arrival] = receiver.wait_for(1)
    body = json.loads(arrival.body)
    assert arrival.target == f"/of/101?call={body['CallID']}"
    assert len(body) == 10
    assert arrival.headers["Authorization"] == "Basic YW5hOnMzY3JldA=="
    assert arrival.headers["X-Key"] == "k3y"
    assert arrival.headers["X-Call"] == "call 101"
    assert arrival.headers["webhook-id"] == delivery_id
    Webhook(secret).verify(arrival.body, arrival.headers)
    wait_for_state(delivery_id, DeliveryState.DELIVERED)
    [attempt] = list_attempts(delivery_id)
    stored = {name.lower(): value for name, value in attempt.request_headers}
    sent = {name.lower(): value for name, value in arrival.headers.items()}
    masks = {"authorization": "Basic ••••", "x-key": "••••", "x-call": "••••"}
    assert sent.keys() - stored.keys() == {"host", "accept-encoding"}
    assert stored == {name: sent[name] for name in stored} | masks


def test_signature_tells_the_time_of_the_attempt(
    pbx: Pbx, receiver: Receiver, engine: Engine, report_events: ReportEvents
) -> None:
    """The signed time is that of the attempt as stored, and a GET signs an empty body."""
    hook, secret = create(pbx, receiver.url, HookOptions())
    begin_write()
    hook.method = Method.GET
    db.session.commit()
    [delivery_id] = report_events()
    engine.start()
    [arrival] = receiver.wait_for(1)
    wait_for_state(delivery_id, DeliveryState.DELIVERED)
    [attempt] = list_attempts(delivery_id)
    assert arrival.method == "GET"
    assert int(arrival.headers["webhook-timestamp"]) == math.floor(attempt.started_at.timestamp())
    Webhook(secret).verify("", arrival.headers, json_parse=False)


def test_both_secrets_verify_after_a_rotation(
    pbx: Pbx, receiver: Receiver, engine: Engine, report_events: ReportEvents
) -> None:
    """For a day the previous secret verifies too; a removed one signs nothing."""
    hook, old = create(pbx, receiver.url)
    begin_write()
    new = signing_secret.rotate_secret(hook)
    db.session.commit()
    report_events()
    engine.start()
    [arrival] = receiver.wait_for(1)
    for secret in (old, new):
        Webhook(secret).verify(arrival.body, arrival.headers)
    begin_write()
    signing_secret.remove_secret(hook)
    db.session.commit()
    report_events()
    engine.drain()
    assert not any(name.startswith("webhook-") for name in receiver.wait_for(2)[1].headers)


def test_lost_key_fails_with_a_sentence_and_recovers(
    pbx: Pbx, receiver: Receiver, engine: Engine, report_events: ReportEvents, settings: Settings
) -> None:
    """Without the key nothing is sent and the log says why; with it again it is delivered."""
    create(pbx, receiver.url)
    path = settings.encryption_keys_file
    key = path.read_text()
    path.unlink()
    cipher.bound.reload()
    engine._dispatcher._cipher.reload()
    [delivery_id] = report_events()
    engine.start()
    wait_for_delivery(delivery_id, lambda delivery: delivery.attempts == 1)
    [attempt] = list_attempts(delivery_id)
    assert attempt.error.startswith("The secrets of this request cannot be decrypted: the key")
    assert (attempt.status_code, attempt.request_headers, receiver.arrivals) == (None, [], [])
    path.write_text(key)
    wait_for_state(delivery_id, DeliveryState.DELIVERED)


def test_worker_says_at_once_that_keys_are_lost(
    pbx: Pbx, logged: Logged, settings: Settings
) -> None:
    """A worker without the right key logs that at its start."""
    hook, _secret = create(pbx, "http://a/")
    event_id = hook.event_id
    run._check_secrets()
    assert "request" not in logged.text
    settings.encryption_keys_file.unlink()
    cipher.bound.reload()
    run._check_secrets()
    assert event_id in logged.text
