"""Tests of programs that change the same hooks at the same moment, in real threads."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from flask import Flask
from sqlalchemy import func, select

from callevents.db.models import Hook, Pbx
from callevents.db.session import begin_write
from callevents.delivery.removal import remove_hooks
from callevents.enums import EventType
from callevents.extensions import db
from tests.api.v1.conftest import Api
from tests.conftest import Configure
from tests.support.database_faults import meanwhile

WRITERS = 4


def all_at_once(app: Flask, act: Callable[[int], int], count: int = WRITERS) -> Counter[int]:
    """Call `act` in threads that begin together; return how often it returned what."""
    barrier = Barrier(count)

    def begin(number: int) -> int:
        barrier.wait(timeout=30)
        return act(number)

    with ThreadPoolExecutor(count) as threads:
        return Counter(threads.map(begin, range(count)))


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_one_of_the_writers_with_an_etag_wins(
    app: Flask, admin: Api, pbx: Pbx, configure: Configure, method: str
) -> None:
    """All have read the same version: one changes it, and all others are refused."""
    hook = configure.hook("101", EventType.HANGUP, "http://a.example/")
    path = f"/hooks/{hook.event_id}"
    headers = {"If-Match": admin.get(path).headers["ETag"]}

    def write(number: int) -> int:
        body = {"note": f"of {number}"} if method == "PATCH" else None
        return admin.send(method, path, json=body, headers=headers).status_code

    done = all_at_once(app, write)
    if method == "PATCH":
        assert done == {200: 1, 412: WRITERS - 1}
    else:
        assert done == {204: 1, 404: WRITERS - 1}


def test_a_change_and_a_removal(app: Flask, admin: Api, pbx: Pbx, configure: Configure) -> None:
    """Of a change and a removal with one ETag, the second is refused, whichever that is."""
    hook = configure.hook("101", EventType.HANGUP, "http://a.example/")
    path = f"/hooks/{hook.event_id}"
    headers = {"If-Match": admin.get(path).headers["ETag"]}

    def write(number: int) -> int:
        if number:
            return admin.delete(path, headers=headers).status_code
        return admin.patch(path, {"note": "x"}, headers=headers).status_code

    assert all_at_once(app, write, 2) in ({200: 1, 412: 1}, {204: 1, 404: 1})


def test_two_removals(admin: Api, pbx: Pbx, configure: Configure) -> None:
    """A removal by a program waits for one on a page, in the same order: neither fails."""
    hook = configure.hook("101", EventType.HANGUP, "http://a.example/")
    path, pbx_id, hook_id = f"/hooks/{hook.event_id}", pbx.id, hook.id
    done: list[int] = []
    begin_write()
    with meanwhile(db.engine, "SELECT hook", lambda: done.append(admin.delete(path).status_code)):
        removed = remove_hooks(pbx_id, [hook_id])
        db.session.commit()
    assert (removed.hooks, done) == (1, [404])


def test_no_change_is_lost(app: Flask, admin: Api, pbx: Pbx, configure: Configure) -> None:
    """Changes of different fields without an ETag are all kept."""
    hook = configure.hook("101", EventType.HANGUP, "http://a.example/")
    path = f"/hooks/{hook.event_id}"
    bodies = [{"note": "x"}, {"method": "POST"}, {"in_order": False}, {"parameters": "none"}]

    def write(number: int) -> int:
        return admin.patch(path, bodies[number]).status_code

    assert all_at_once(app, write) == {200: 4}
    shown = admin.get(path).get_json()
    assert all(shown[name] == value for body in bodies for name, value in body.items())


def test_the_quota_holds(app: Flask, admin: Api, pbx: Pbx) -> None:
    """Of hooks that are added at the same moment, only those within the quota are stored."""
    begin_write()
    pbx.max_hooks = 2
    db.session.commit()
    body = {"pbx": "head-office", "extension": None, "event": "hangup", "url": "http://a.example"}

    def add(_number: int) -> int:
        return admin.post("/hooks", body).status_code

    assert all_at_once(app, add) == {201: 2, 409: 2}
    assert db.session.scalar(select(func.count()).select_from(Hook)) == 2


def test_twenty_for_an_event_hold(app: Flask, admin: Api, pbx: Pbx, configure: Configure) -> None:
    """Of hooks that are added at the same moment, one event type gets no more than it can have."""
    for _ in range(19):
        configure.hook("*", EventType.HANGUP, "http://a.example/")
    body = {"pbx": "head-office", "extension": None, "event": "hangup", "url": "http://a.example"}

    def add(_number: int) -> int:
        return admin.post("/hooks", body).status_code

    assert all_at_once(app, add) == {201: 1, 409: 3}
