"""When tokens are used, and reports without a valid token: noted in memory, stored now and then."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from callevents import create_app
from callevents.config.settings import Settings
from callevents.db.models import IngestToken, Pbx, UnknownToken, new_id
from callevents.extensions import app_state, db
from callevents.ingest.recent import list_unknown_tokens
from callevents.ingest.token_notes import MAX_NETWORKS, OTHERS, TokenNotes
from callevents.pbxs import removal, tokens
from tests.api.conftest import EVENT
from tests.conftest import let_go
from tests.support.database_faults import missing_table
from tests.support.log_capture import Logged
from tests.support.served import Served
from tests.support.statement_count import counting
from tests.support.waiting import wait_until

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def notes(app: Flask) -> TokenNotes:
    """The notes of the application, which are stored on request."""
    return app_state(app).get(TokenNotes)


def use_of(pbx: Pbx) -> tuple[datetime | None, str]:
    """Return when and from where the PBX's only token was last used, as stored."""
    db.session.rollback()
    [token] = tokens.list_tokens(pbx)
    return token.last_used_at, token.last_used_address


def unknown() -> dict[str, int]:
    """Return the stored number of reports without a valid token, by network."""
    db.session.rollback()
    return {one.network: one.count for one in db.session.scalars(select(UnknownToken))}


def test_last_use(pbx: Pbx, token: str, client: FlaskClient, notes: TokenNotes) -> None:
    """The time and the address of the last report are stored; a rejected one counts as well."""
    assert use_of(pbx) == (None, "")
    with time_machine.travel(NOW, tick=False) as clock:
        for address, fields in (("192.0.2.1", EVENT), ("192.0.2.2", {"event": "fax"})):
            clock.shift(timedelta(seconds=1))
            client.post(
                "/ingest/head-office",
                json=fields,
                headers={"X-Ingest-Token": token},
                environ_base={"REMOTE_ADDR": address},
            )
        notes.flush()
    assert use_of(pbx) == (NOW + timedelta(seconds=2), "192.0.2.2")


def test_fast_path(served: Served, pbx: Pbx, notes: TokenNotes) -> None:
    """The web server notes the client's address, without a statement of its own."""
    served.send(json=EVENT)
    sent: list[str] = []
    with counting(sent):
        served.send(json={**EVENT, "ext": "102"})
    assert not any("last_used" in one for one in sent)
    notes.flush()
    assert use_of(pbx)[1] == "127.0.0.1"


@pytest.mark.parametrize(("proxies", "address"), [(0, "127.0.0.1"), (1, "192.0.2.7")])
def test_behind_a_proxy(
    settings: Settings, token: str, pbx: Pbx, proxies: int, address: str
) -> None:
    """Only trusted proxies say which client reports, on both paths."""
    app = create_app(settings.model_copy(update={"trusted_proxies": proxies}))
    served = Served(app, token)
    headers = {"X-Ingest-Token": token, "X-Forwarded-For": "192.0.2.7"}
    for _ in range(2):
        served.send(json=EVENT, headers=headers)
        app_state(app).get(TokenNotes).close()
        assert use_of(pbx)[1] == address
    served.close()
    let_go(app)


def test_stored_once_a_minute(pbx: Pbx, notes: TokenNotes) -> None:
    """However often a token is used, its row is written once a minute, and at last the last use."""
    [token_id] = [one.id for one in tokens.list_tokens(pbx)]
    written: list[datetime | None] = []
    with time_machine.travel(NOW, tick=False) as clock:
        for _ in range(40):
            notes.note_use(token_id, "192.0.2.1")
            notes.flush()
            written.append(use_of(pbx)[0])
            clock.shift(timedelta(seconds=5))
        assert len(set(written)) == 4
        clock.shift(timedelta(seconds=60))
        notes.flush()
    assert use_of(pbx)[0] == NOW + timedelta(seconds=39 * 5)


def test_later_use_stays(pbx: Pbx, notes: TokenNotes) -> None:
    """A process that stores its note late does not replace a later use noted by another."""
    [token_id] = [one.id for one in tokens.list_tokens(pbx)]
    with time_machine.travel(NOW, tick=False) as clock:
        notes.note_use(token_id, "192.0.2.1")
        clock.shift(timedelta(seconds=10))
        other = TokenNotes(notes._app)
        other.note_use(token_id, "192.0.2.2")
        other.close()
        notes.flush()
    assert use_of(pbx) == (NOW + timedelta(seconds=10), "192.0.2.2")


def test_thread_stores_and_ends(pbx: Pbx, notes: TokenNotes) -> None:
    """A thread stores the notes in the background, and ends when there are none."""
    [token_id] = [one.id for one in tokens.list_tokens(pbx)]
    notes.flush_seconds = 0.01
    notes.note_use(token_id, "192.0.2.1")
    wait_until(lambda: use_of(pbx)[1] == "192.0.2.1", "the stored use")
    wait_until(lambda: notes._thread is None, "the end of the thread")


def test_unknown_tokens_are_counted(client: FlaskClient, pbx: Pbx, notes: TokenNotes) -> None:
    """Wrong and missing tokens at a known address count, per network; others leave no trace."""
    for address, headers in (
        ("192.0.2.9", {"X-Ingest-Token": "cet_wrong"}),
        ("192.0.2.9", {"X-Ingest-Token": "cet_else"}),
        ("192.0.2.9", {}),
        ("2001:db8:1:2::5", {"X-Ingest-Token": "cet_wrong"}),
        ("2001:db8:1:2::6", {"X-Ingest-Token": "cet_wrong"}),
    ):
        for path in ("/ingest/head-office", "/ingest/nobody"):
            client.post(path, json=EVENT, headers=headers, environ_base={"REMOTE_ADDR": address})
    assert unknown() == {}
    notes.flush()
    assert unknown() == {"192.0.2.9": 3, "2001:db8:1:2::/64": 2}
    stored = [str(one.__dict__) for one in list_unknown_tokens(pbx)]
    assert not any("cet_" in text for text in stored)


def test_flood_from_many_networks(pbx: Pbx, notes: TokenNotes) -> None:
    """Networks beyond the limit count as one, in memory and in the table."""
    pbx_id = pbx.id
    db.session.rollback()
    for round_number in range(2):
        for number in range(100):
            notes.note_unknown(pbx_id, f"10.0.{round_number}.{number}")
        assert len(notes._unknown[pbx_id]) == MAX_NETWORKS + 1
        notes.flush()
    found = unknown()
    assert len(found) == MAX_NETWORKS + 1
    assert sum(found.values()) == 200
    assert found[OTHERS] == 200 - MAX_NETWORKS


def test_networks_are_forgotten(pbx: Pbx, notes: TokenNotes) -> None:
    """A network without such a report for an hour is not shown, and its count begins again."""
    pbx_id = pbx.id
    db.session.rollback()
    with time_machine.travel(NOW, tick=False) as clock:
        notes.note_unknown(pbx_id, "192.0.2.1")
        notes.flush()
        clock.shift(timedelta(minutes=61))
        assert list_unknown_tokens(pbx) == []
        db.session.rollback()
        notes.note_unknown(pbx_id, "192.0.2.1")
        notes.flush()
        assert [one.count for one in list_unknown_tokens(pbx)] == [1]


def test_unavailable_database(pbx: Pbx, notes: TokenNotes, logged: Logged) -> None:
    """Notes that cannot be stored are dropped with a warning, and later ones are stored."""
    pbx_id = pbx.id
    db.session.rollback()
    with missing_table(db.engine, "unknown_token"):
        notes.note_unknown(pbx_id, "192.0.2.1")
        notes.flush()
    assert "could not store token notes" in logged.text
    notes.note_unknown(pbx_id, "192.0.2.1")
    notes.flush()
    assert unknown() == {"192.0.2.1": 1}


def test_notes_of_what_is_gone(pbx: Pbx, notes: TokenNotes) -> None:
    """Notes of a revoked token and of a PBX that is being removed store nothing wrong."""
    pbx_id = pbx.id
    notes.note_use(new_id(), "192.0.2.1")
    removal.begin_removal(pbx, "head-office")
    db.session.commit()
    notes.flush()
    notes.note_unknown(pbx_id + 1, "192.0.2.1")
    notes.flush()
    assert unknown() == {}
    assert db.session.scalars(select(IngestToken)).all() == []
