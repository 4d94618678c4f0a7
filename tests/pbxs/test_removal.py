"""Removing a PBX: it stops at once, and nothing of it stays."""

import threading

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from callevents.db.models import Pbx, RemovedPbx
from callevents.db.session import begin_write, write_transaction
from callevents.delivery.engine import Engine
from callevents.delivery.removal import undo
from callevents.enums import ConnectorKind, DeliveryState, EventType, Method
from callevents.errors import InvalidError, NotFoundError
from callevents.extensions import Base, app_state, db
from callevents.hooks import hooks
from callevents.hooks.hooks import HookData
from callevents.ingest.accept import accept
from callevents.ingest.group_commit import GroupCommit
from callevents.ingest.report import Report
from callevents.operations import statistics
from callevents.operations.statistics import ALL_PBXS, aggregate_minute, replace_minute, to_minute
from callevents.pbxs import connectors, extensions, pbxs, removal
from callevents.pbxs.connectors import ConnectorConfig
from callevents.pbxs.removal import Progress
from tests.conftest import Configure
from tests.support.aged_events import AddEvents
from tests.support.filled_pbx import NOT_OF_A_PBX, count_rows, fill
from tests.support.receiver import Receiver
from tests.support.served import Served


def begin(pbx: Pbx) -> int:
    """Begin the removal, as the page does; return the ID of the PBX."""
    begin_write()
    found = pbxs.get_pbx(pbx.slug)
    pbx_id = found.id
    removal.begin_removal(found, found.slug)
    db.session.commit()
    return pbx_id


def remove(pbx_id: int) -> list[Progress]:
    """Remove the rows of the PBX; return the progress after each batch."""
    db.session.rollback()
    return list(removal.remove_rows(db.engine, pbx_id, threading.Event(), pause=0))


def test_nothing_of_it_stays(pbx: Pbx, configure: Configure) -> None:
    """No table has a row of a removed PBX, and the filled one had rows in each table."""
    fill(pbx, configure)
    tables = {table.name for table in Base.metadata.sorted_tables} - NOT_OF_A_PBX
    assert tables - count_rows().keys() <= {"sign_in_failure"}
    pbx_id = begin(pbx)
    progress = remove(pbx_id)
    assert count_rows() == {}
    assert db.session.scalars(select(RemovedPbx.id)).all() == [pbx_id]
    # 15 events and deliveries, and one row in each of six tables.
    assert progress[0] == Progress(0, 36)
    assert progress[-1] == Progress(36, 36)
    assert progress[-1].text == "36 of 36 rows"


def test_other_pbxs_keep_everything(pbx: Pbx, other_pbx: Pbx, configure: Configure) -> None:
    """The rows of another PBX stay, in every table."""
    fill(pbx, configure)
    before = count_rows()
    fill(other_pbx, Configure(other_pbx))
    pbx_id = begin(other_pbx)
    remove(pbx_id)
    assert count_rows() == before | {"pbx": 1, "ingest_token": 1}


def test_contents_are_counted_first(pbx: Pbx, configure: Configure) -> None:
    """The confirmation tells what goes with the PBX."""
    fill(pbx, configure)
    found = removal.count_contents(pbx)
    assert (found.extensions, found.hooks, found.tokens, found.connectors) == (1, 2, 1, 1)
    assert (found.events, found.deliveries, found.open_deliveries) == (15, 15, 10)
    assert (found.api_tokens, found.apps) == (1, 1)


@pytest.mark.parametrize("typed", ["", "Head office", "head-offic", "HEAD-OFFICE"])
def test_name_must_be_typed(pbx: Pbx, typed: str) -> None:
    """Anything but the slug removes nothing."""
    begin_write()
    with pytest.raises(InvalidError, match=r"^Type head-office to remove Head office\.$"):
        removal.begin_removal(pbx, typed)
    db.session.commit()
    assert removal.list_removing() == []
    assert pbxs.get_pbx("head-office").removing_at is None


def test_it_is_hidden_at_once(pbx: Pbx, other_pbx: Pbx) -> None:
    """From the beginning it is found nowhere, except as being removed."""
    begin(pbx)
    assert [one.slug for one in pbxs.list_pbxs()] == ["branch"]
    assert [one.slug for one in removal.list_removing()] == ["head-office"]
    with pytest.raises(NotFoundError, match=r"^The PBX 'head-office' is being removed\.$"):
        pbxs.get_pbx("head-office")
    begin_write()
    with pytest.raises(InvalidError, match=r"^The PBX with this name is still being removed"):
        pbxs.add_pbx("Head office")


def test_name_can_be_used_again(pbx: Pbx, token: str, client: FlaskClient) -> None:
    """Afterwards a new PBX has the name and the slug, another ID, and none of the old tokens."""
    pbx_id = begin(pbx)
    remove(pbx_id)
    begin_write()
    again, new_token = pbxs.add_pbx("Head office")
    db.session.commit()
    assert (again.slug, again.id > pbx_id) == ("head-office", True)
    for one, status in ((token, 401), (new_token, 202)):
        answer = client.get(f"/ingest/head-office?event=0&ext=1&token={one}")
        assert answer.status_code == status


def test_reports_are_refused_at_once(app: Flask, client: FlaskClient, token: str, pbx: Pbx) -> None:
    """A valid token is refused from the next report on, with the response for an unknown PBX."""
    url = f"/ingest/head-office?event=0&ext=1&token={token}"
    assert client.get(url).status_code == 202
    pbx_id = begin(pbx)
    refused = client.get(url)
    unknown = client.get(url.replace("head-office", "nobody"))
    assert (refused.status_code, refused.data) == (unknown.status_code, unknown.data)
    assert refused.status_code == 401
    remove(pbx_id)
    assert client.get(url).data == unknown.data
    assert count_rows() == {}


def test_reports_are_refused_by_the_web_server(served: Served, pbx: Pbx) -> None:
    """So it is where the process has the token in memory."""
    fields = {"event": "dial-in", "ext": "101"}
    assert served.send(json=fields).status_code == 202
    pbx_id = begin(pbx)
    refused = served.send(json={**fields, "ext": "102"})
    unknown = served.send(json=fields, path="/ingest/nobody")
    assert (refused.status_code, refused.content) == (401, unknown.content)
    remove(pbx_id)
    assert count_rows() == {}


def test_nothing_is_sent_afterwards(
    pbx: Pbx, configure: Configure, receiver: Receiver, engine: Engine
) -> None:
    """A worker that looks for due deliveries of the PBX sends none, and cancels them."""
    hook = configure.hook("*", EventType.DIAL_IN, receiver.url)
    AddEvents(pbx, hook)(3, state=DeliveryState.PENDING, attempts=0)
    begin(pbx)
    assert engine.drain() == 3
    engine.close()
    assert receiver.arrivals == []
    assert removal.count_contents(pbx).open_deliveries == 0


def test_events_that_are_still_stored_go_too(app: Flask, pbx: Pbx, configure: Configure) -> None:
    """A listener may store events until it has noticed: they make no requests, and go as well."""
    configure.hook("*", EventType.DIAL_IN, "http://crm.example.com/")
    pbx_id = begin(pbx)
    group_commit = app_state(app).get(GroupCommit)
    report = Report(event_type=EventType.DIAL_IN, extension="1")
    [accepted] = group_commit.submit(pbx, None, [report])
    assert accepted.deliveries == 0
    remove(pbx_id)
    assert count_rows() == {}


def test_statistics_do_not_come_back(pbx: Pbx, other_pbx: Pbx) -> None:
    """Statistics counted before the removal and stored after it have no row of the PBX."""
    begin_write()
    for one in (pbx, other_pbx):
        accept(one, [Report(event_type=EventType.DIAL_IN, extension="1")])
    db.session.commit()
    minute = to_minute(pbx.created_at)
    with db.engine.connect() as connection:
        rows = dict(aggregate_minute(connection, minute)) or {}
        rows |= {pbx.id: statistics._empty_row(), other_pbx.id: statistics._empty_row()}
    pbx_id = begin(pbx)
    remove(pbx_id)
    with write_transaction(db.engine) as connection:
        replace_minute(connection, minute, rows)
    stored = db.session.scalars(select(statistics.MinuteStatistics.pbx_id)).all()
    assert set(stored) - {ALL_PBXS} == {other_pbx.id}


def test_batches_are_bounded(
    pbx: Pbx, add_events: AddEvents, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each transaction deletes a bounded number of rows, those that wait first."""
    monkeypatch.setattr(removal, "BATCH_DELIVERIES", 2)
    monkeypatch.setattr(removal, "BATCH_ROWS", 3)
    add_events(3)
    add_events(2, state=DeliveryState.PENDING)
    pbx_id = begin(pbx)
    assert [one.removed for one in remove(pbx_id)] == [0, 2, 4, 5, 8, 10]


def test_two_at_once_remove_each_row_once(pbx: Pbx, add_events: AddEvents) -> None:
    """Workers and the command may remove the same PBX: each batch is counted once."""
    add_events(900)
    pbx_id = begin(pbx)
    stopped = threading.Event()
    database = db.engine
    found: list[Progress] = []

    def run() -> None:
        found.extend(removal.remove_rows(database, pbx_id, stopped, pause=0))

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(one.removed for one in found) == 1800
    assert {one.total for one in found} <= {None, 1800}
    assert count_rows() == {}


def test_nothing_is_added_meanwhile(pbx: Pbx, configure: Configure) -> None:
    """With a page opened before, nobody adds anything, nor brings anything back."""
    configure.extension("101")
    hook = configure.hook("101", EventType.DIAL_IN, "http://a/")
    begin_write()
    removed = hooks.clear_hooks([hook])
    db.session.commit()
    before = db.session.get_one(Pbx, pbx.id)
    assert before.slug
    db.session.expunge(before)
    pbx_id = begin(pbx)
    data = HookData(url="http://a/", method=Method.GET, active=True, note="")
    asterisk = ConnectorConfig(
        kind=ConnectorKind.ASTERISK, host="pbx", port=5038, username="u", secret="s"
    )
    for add in (
        lambda: extensions.add_extension(before, "102"),
        lambda: extensions.add_extensions(before, {"102": ""}),
        lambda: hooks.create_hook(before, None, EventType.HANGUP, data),
        lambda: connectors.set_connector(before, asterisk),
        lambda: undo(before, removed.id),
    ):
        begin_write()
        with pytest.raises(NotFoundError, match="This PBX has been removed"):
            add()
    db.session.rollback()
    remove(pbx_id)
    assert count_rows() == {}
