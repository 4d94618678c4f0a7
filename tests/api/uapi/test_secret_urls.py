"""URLs with secrets: who may change an event sees them, and the history says so once a day."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from callevents.db.models import AuditEntry, Pbx, first_id, utc_now
from callevents.db.session import begin_write
from callevents.enums import Role
from callevents.extensions import db
from callevents.users.grants import NewGrant
from tests.api.uapi.conftest import Api, Event, GetToken, add_user, path_of
from tests.audit.conftest import actions

SECRET = "https://crm.example.com/calls?token=geheim123"
REVEALED = "secret.revealed"


@pytest.fixture
def event(api: Api) -> Event:
    """An event whose URL has a secret."""
    return api.create(url=SECRET)


@pytest.fixture
def reader(api: Api, pbx: Pbx, get_token: GetToken) -> Api:
    """A client of a user who may only look."""
    return Api(api.client, get_token(add_user("vera", NewGrant(Role.VIEWER, pbx))))


def shown(event: Event) -> int:
    """Return how often the history says that the event's URL was shown."""
    return len(actions(action=REVEALED, object_id=event["id"]))


def test_viewers_see_it_masked(event: Event, reader: Api) -> None:
    """As on the pages, and no filter finds out more."""
    [found] = reader.entries()
    assert found["url"] == "https://crm.example.com/calls?token=••••"
    for operator, value in (
        ("equals", SECRET),
        ("contains", "geheim"),
        ("startsWith", SECRET[:-3]),
    ):
        assert reader.entries(filterBy="url", filterValue=value, filterOp=operator) == []
    assert reader.entries(filterBy="url", filterValue=found["url"]) == [found]
    assert shown(event) == 0


def test_order_does_not_tell(event: Event, api: Api, reader: Api) -> None:
    """URLs that look the same are in the order of their IDs, whatever their secrets are."""
    for secret in ("zzz", "aaa", "mmm", "bbb"):
        api.create(url=SECRET.replace("geheim123", f"{secret}{secret}"))
    found = [event["id"] for event in reader.entries()]
    assert found == sorted(found)


def test_showing_it_is_recorded(event: Event, api: Api) -> None:
    """The first time that an app reads it, and again after a day."""
    # Its creator knows it.
    assert shown(event) == 0
    for _ in range(3):
        assert api.entries() == [event]
        assert api.entries(path_of(event)) == [event]
        assert shown(event) == 1
    begin_write()
    earlier = utc_now() - timedelta(days=1, minutes=1)
    old = AuditEntry.action == REVEALED
    db.session.execute(update(AuditEntry).where(old).values(id=first_id(earlier), at=earlier))
    db.session.commit()
    api.entries()
    assert shown(event) == 2


def test_each_app_and_each_url(event: Event, api: Api, pbx: Pbx, get_token: GetToken) -> None:
    """Another app, and another URL, are recorded too."""
    api.entries()
    other = Api(api.client, get_token(add_user("otto", NewGrant(Role.OPERATOR, pbx))))
    other.entries()
    assert shown(event) == 2
    changed = api.update(event, url=f"{SECRET}4")
    assert shown(event) == 2
    other.entries()
    other.entries()
    assert shown(event) == 3
    assert api.delete() == [changed]
    assert shown(event) == 4


def test_what_is_not_shown_is_not_recorded(event: Event, api: Api) -> None:
    """Neither other pages, nor other fields, nor a HEAD, nor a URL without a secret."""
    api.create(url="https://a.example.com/")
    api.entries(fields="id,type")
    api.entries(count=1)
    api.entries(filterBy="id", filterValue="x")
    api.send("HEAD")
    assert actions(action=REVEALED) == []
    api.entries(count=1, startIndex=1)
    assert shown(event) == 1


def test_update_that_shows_it(event: Event, api: Api, pbx: Pbx, get_token: GetToken) -> None:
    """The answer to an update shows the URL, too, to an app that has not sent it."""
    other = Api(api.client, get_token(add_user("otto", NewGrant(Role.OPERATOR, pbx))))
    assert other.update(event, note="x")["url"] == SECRET
    assert shown(event) == 1
