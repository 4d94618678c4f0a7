"""Changes: the same as on the pages, with history, held deliveries, options and workers."""

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from flask import Flask
from redis import Redis
from sqlalchemy import select

from callevents.api_access import apps
from callevents.conditions import Conditions
from callevents.db.models import AuditEntry, Delivery, Hook, Pbx, Removal
from callevents.db.session import begin_write, write_transaction
from callevents.delivery import removal
from callevents.delivery.suspend import suspend
from callevents.enums import (
    AuthKind,
    BodyFormat,
    DeliveryState,
    EventType,
    HookScope,
    Method,
    ParameterSet,
)
from callevents.extensions import db
from callevents.hooks import hooks, queries, signing_secret
from callevents.hooks.hooks import MAX_HOOKS_PER_TYPE, HookData
from callevents.hooks.options import (
    BodyTemplate,
    Credentials,
    CustomHeader,
    HookOptions,
    read_options,
)
from callevents.ingest.accept import accept
from callevents.ingest.report import Report
from tests.api.uapi.conftest import (
    NUMBER,
    URL,
    Api,
    check_error,
    extension_of,
    path_of,
    stored_hooks,
    succeeded,
)
from tests.audit.conftest import entries
from tests.delivery.test_passed_over import waits_for_lock
from tests.support.waiting import wait_until

OPTIONS = HookOptions(
    give_up_seconds=300,
    in_order=False,
    body_format=BodyFormat.JSON,
    parameters=ParameterSet.VOIPNOW,
    headers=(CustomHeader("X-Api-Key", "geheim"),),
    credentials=Credentials(AuthKind.BASIC, "crm", "secret"),
    body_template=BodyTemplate("text/plain", "Call from {CallerIDNum}"),
    value_maps={"direction": {"IN": "in"}},
    scope=HookScope.CALL,
    conditions=Conditions(party="external"),
)


@pytest.fixture
def hook(api: Api, pbx: Pbx) -> Hook:
    """A hook with all options, as only pages and commands can set them."""
    begin_write()
    data = HookData(url=URL, note="first", options=OPTIONS)
    hook = hooks.create_hook(pbx, extension_of(pbx), EventType.DIAL_IN, data)
    signing_secret.rotate_secret(hook)
    db.session.commit()
    return hook


def report(pbx: Pbx, call_id: str = "c-1") -> None:
    """Report a call to the extension."""
    begin_write()
    accept(pbx, [Report(event_type=EventType.DIAL_IN, extension=NUMBER, call_id=call_id)])
    db.session.commit()


def states() -> list[DeliveryState]:
    """Return the states of all deliveries."""
    db.session.rollback()
    return list(db.session.scalars(select(Delivery.state).order_by(Delivery.id)))


def newest(count: int) -> list[AuditEntry]:
    """Return the newest entries, oldest first."""
    return list(entries()[-count:])


def test_history(api: Api, pbx: Pbx) -> None:
    """Each change is one entry, with the app, its ID and the client's address."""
    before = len(entries())
    address = {"environ_overrides": {"REMOTE_ADDR": "192.0.2.7"}}
    created = succeeded(api.send("POST", json={"type": 0, "url": URL}, **address))
    path = path_of(created)
    api.send("GET", path, **address)
    api.send("PUT", path, json={}, **address)
    api.send("PUT", path, json={"note": "x", "method": "1"}, **address)
    api.send("PUT", path, json={"status": "0"}, **address)
    api.send("PUT", path, json={"url": "nonsense"}, **address)
    api.send("DELETE", path, **address)
    api.send("DELETE", path, **address)
    found = entries()[before:]
    expected = ["hook.created", "hook.changed", "hook.disabled", "hook.cleared"]
    assert [entry.action for entry in found] == expected
    [app] = apps.list_apps()
    for entry in found:
        assert (entry.actor_kind, entry.actor_name, entry.actor_id) == ("app", "CRM", app.id)
        assert entry.address == "192.0.2.7"
        assert (entry.object_id, entry.pbx_id) == (created["id"], pbx.id)
        assert entry.extension_id == extension_of(pbx).id
    assert found[1].before == {"method": "GET"}
    assert found[1].after == {"note": "x", "method": "POST"}


def test_options_are_kept(api: Api, hook: Hook) -> None:
    """What VoipNow does not know of stays as it is: headers, secrets, signature, format."""
    before = {name: getattr(hook, name) for name in ("auth_secret", "custom_headers")}
    signing = hook.signing_secret
    [event] = api.entries()
    api.update(event, method="1", note="second", url=f"{URL}/other", status="0")
    [stored] = stored_hooks()
    options = read_options(stored)
    assert (options.give_up_seconds, options.in_order) == (300, False)
    assert (options.body_format, options.parameters) == (BodyFormat.JSON, ParameterSet.VOIPNOW)
    for name in ("body_template", "value_maps", "scope", "conditions", "answers"):
        assert getattr(options, name) == getattr(OPTIONS, name)
    assert {name: getattr(stored, name) for name in before} == before
    assert stored.signing_secret == signing


def test_other_methods_are_kept(api: Api, hook: Hook) -> None:
    """A client that sends back the code of PUT keeps it; the other code changes the method."""
    begin_write()
    hook.method = Method.PUT
    db.session.commit()
    [event] = api.entries()
    assert event["method"] == "1"
    api.update(event, **event | {"note": "new"})
    assert [(one.method, one.note) for one in stored_hooks()] == [(Method.PUT, "new")]
    for code, method in (("0", Method.GET), ("1", Method.POST)):
        assert api.update(event, method=code)["method"] == code
        assert stored_hooks()[0].method is method


def test_secrets_stay_with_their_receiver(api: Api, hook: Hook) -> None:
    """A URL of another receiver is refused while the hook has secrets for the current one."""
    [event] = api.entries()
    answer = api.send("PUT", path_of(event), json={"url": "https://evil.example.com/"})
    assert "page" in check_error(answer, 400, "pce_url_invalid")
    assert api.entries() == [event]


def test_disabling_holds(api: Api, pbx: Pbx, redis: Redis) -> None:
    """What waits is held while the event is disabled, and goes on; workers are woken."""
    event = api.create()
    report(pbx)
    assert states() == [DeliveryState.PENDING]
    redis.flushall()
    api.update(event, status="0")
    assert states() == [DeliveryState.HELD]
    assert redis.keys("rq:job:*")
    redis.flushall()
    api.update(event, status="1")
    assert states() == [DeliveryState.PENDING]
    assert redis.keys("rq:job:*")
    redis.flushall()
    check_error(api.send("PUT", path_of(event), json={"url": ""}), 400, "pce_url_invalid")
    assert not redis.keys("rq:job:*")


def test_update_sends_what_waits_to_the_new_url(api: Api, pbx: Pbx) -> None:
    """A waiting delivery goes to the URL of the update."""
    event = api.create()
    report(pbx)
    api.update(event, url="https://other.example.com/")
    db.session.rollback()
    [delivery] = db.session.scalars(select(Delivery))
    [stored] = stored_hooks()
    assert delivery.origin_id == stored.origin_id


def test_resuming(api: Api) -> None:
    """A suspended event is enabled still; enabling it again resumes it."""
    event = api.create()
    [stored] = stored_hooks()
    hook_id = stored.id
    db.session.rollback()
    with write_transaction(db.engine) as connection:
        suspend(connection, hook_id, "The receiver returned 410 Gone.", stored.created_at)
    assert api.entries()[0]["status"] == "1"
    api.update(event, note="x")
    assert stored_hooks()[0].suspended_at is not None
    api.update(event, status="1")
    assert stored_hooks()[0].suspended_at is None
    assert newest(1)[0].action == "hook.resumed"


def test_removal_can_be_undone(api: Api, pbx: Pbx) -> None:
    """As on the pages: the deliveries wait, and `flask hooks undo` brings all back."""
    events = [api.create(), api.create(type="1")]
    report(pbx)
    assert len(api.delete()) == 2
    assert states() == [DeliveryState.HELD]
    [removed] = db.session.scalars(select(Removal.id))
    begin_write()
    removal.undo(db.session.get_one(Pbx, pbx.id), removed)
    db.session.commit()
    assert states() == [DeliveryState.PENDING]
    assert sorted(map(str, api.entries())) == sorted(map(str, events))


def together(app: Flask, *requests: Callable[[Api], Any], api: Api) -> list[Any]:
    """Send each request in a thread of its own, all beginning at once; return the answers."""
    start = threading.Barrier(len(requests))
    answers: list[Any] = []

    def run(request: Callable[[Api], Any]) -> None:
        own = Api(app.test_client(), api.token)
        start.wait()
        answers.append(request(own))

    db.session.rollback()
    threads = [threading.Thread(target=run, args=(request,)) for request in requests]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_updates_at_once(app: Flask, api: Api) -> None:
    """Updates of different fields at the same time are all kept."""
    event = api.create()
    for turn in range(5):
        changes = {
            "note": f"note {turn}",
            "url": f"{URL}/{turn}",
            "method": str((turn + 1) % 2),
            "status": str(turn % 2),
        }
        together(
            app,
            *(
                lambda own, name=name, value=value: own.update(event, **{name: value})
                for name, value in changes.items()
            ),
            api=api,
        )
        [found] = api.entries()
        assert found.items() >= changes.items()


# SQLite has one writer at a time.
@pytest.mark.parametrize("databases", ["postgresql"], indirect=True)
def test_update_while_a_page_changes_it(app: Flask, api: Api) -> None:
    """An update that waits for a change on a page does not undo it."""
    event = api.create()
    database = db.engine
    begin_write()
    [hook] = queries.list_all_hooks()
    hooks.set_active(hook, active=False)
    thread = threading.Thread(
        target=lambda: Api(app.test_client(), api.token).update(event, note="second")
    )
    thread.start()
    wait_until(lambda: waits_for_lock(database), "the update to wait")
    db.session.commit()
    thread.join()
    [found] = api.entries()
    assert (found["note"], found["status"]) == ("second", "0")


def test_creating_at_once(app: Flask, api: Api, pbx: Pbx) -> None:
    """Requests at the same time do not exceed the number that a type can have, nor the quota."""
    for limit, event_type in ((MAX_HOOKS_PER_TYPE, 0), (2, 1)):
        db.session.rollback()
        db.session.get_one(Pbx, pbx.id).max_hooks = None if event_type == 0 else 20 + limit
        db.session.commit()
        for _ in range(limit - 2):
            api.create(type=event_type)
        create = partial(Api.send, method="POST", json={"type": event_type, "url": URL})
        answers = together(app, *[create] * 5, api=api)
        assert sorted(answer.status_code for answer in answers) == [200, 200, 400, 400, 400]
        for answer in answers:
            if answer.status_code == 400:
                check_error(answer, 400, "pce_limit_reached")
        assert len(api.entries(f"/{event_type}", count=100)) == limit


def test_removing_at_once(app: Flask, api: Api) -> None:
    """Each event is removed by one request only, and reported by that one."""
    for _ in range(3):
        events = [api.create(type=str(number)) for number in range(5)]
        update = partial(Api.send, method="PUT", path=path_of(events[0]), json={"note": "x"})
        answers = together(app, *[Api.delete] * 3, *[update] * 2, api=api)
        removed = [one["id"] for answer in answers if isinstance(answer, list) for one in answer]
        assert sorted(removed) == sorted(event["id"] for event in events)
        for answer in answers:
            if not isinstance(answer, list) and answer.status_code != 200:
                check_error(answer, 400, "pce_id_invalid")
        assert api.entries() == []
