"""Column types, ids and constraints."""

import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import DateTime, Uuid, column, create_engine, select, table, text
from sqlalchemy.exc import DBAPIError, OperationalError, StatementError

from callevents.db.models import Extension, Pbx, User, new_event_id, new_id, to_id, utc_now
from callevents.db.session import begin_write, write_transaction
from callevents.enums import TABLE_ORDER, EventType
from callevents.extensions import Base, db
from callevents.ingest.accept import accept
from callevents.ingest.report import Report
from tests.conftest import Configure

MOMENT = datetime(2026, 3, 1, 12, 0, 0, 250_999, timezone(timedelta(hours=2)))


def test_moments_are_stored_in_utc_with_milliseconds(pbx: Pbx) -> None:
    """A moment in any zone is read back in UTC, truncated to milliseconds."""
    pbx.created_at = MOMENT
    db.session.commit()
    db.session.expire_all()
    assert pbx.created_at == datetime(2026, 3, 1, 10, 0, 0, 250_000, UTC)
    assert pbx.created_at.utcoffset() == timedelta(0)


def test_moments_and_ids_are_stored_as_the_migrations_say(pbx: Pbx) -> None:
    """Our conversion on SQLite stores the same as SQLAlchemy's types."""
    plain = table("extension", column("id", Uuid(as_uuid=False)), column("created_at", DateTime))
    begin_write()
    extension = Extension(pbx_id=pbx.id, number="101", created_at=MOMENT)
    db.session.add(extension)
    db.session.commit()
    stored = db.session.execute(select(plain.c.id, plain.c.created_at)).one()
    moment = stored.created_at.replace(tzinfo=stored.created_at.tzinfo or UTC)
    assert (stored.id, moment) == (extension.id, datetime(2026, 3, 1, 10, 0, 0, 250_000, UTC))
    if db.engine.dialect.name == "sqlite":
        raw = db.session.execute(text("SELECT id, created_at FROM extension")).one()
        assert tuple(raw) == (extension.id.replace("-", ""), "2026-03-01 10:00:00.250000")


def test_naive_moments_are_refused(pbx: Pbx) -> None:
    """A moment without a zone is rejected."""
    pbx.created_at = MOMENT.replace(tzinfo=None)
    with pytest.raises(StatementError, match="without a time zone"):
        db.session.commit()
    db.session.rollback()


def test_now_has_milliseconds() -> None:
    """It is rejected in comparisons too."""
    assert {utc_now().microsecond % 1000 for _ in range(50)} == {0}
    assert utc_now().tzinfo is UTC


def test_ids_sort_by_age() -> None:
    """Later ids sort after earlier ones, also within a millisecond: batches rely on it."""
    ids = [new_id() for _ in range(5000)]
    assert ids == sorted(ids)
    assert len(set(ids)) == 5000
    assert all(to_id(one) == one for one in ids[:10])


@pytest.mark.parametrize(
    "wrong",
    ["", "x", "1", "\x00", new_id() + "0", new_id()[:-1]],
    # Names that are the same in each process that collects the tests.
    ids=["empty", "letter", "digit", "nul", "too long", "too short"],
)
def test_what_is_no_id(wrong: str) -> None:
    """Only a UUID is an id."""
    assert to_id(wrong) is None
    assert to_id(new_id().upper()) is not None


def test_event_ids_use_the_whole_alphabet() -> None:
    """Event IDs are 30 random letters and digits."""
    ids = [new_event_id() for _ in range(500)]
    assert {len(one) for one in ids} == {30}
    assert len(set("".join(ids))) == 62


def test_enumerations_are_stored_as_plain_values(pbx: Pbx, configure: Configure) -> None:
    """A database without our code reads codes and words that mean something."""
    configure.hook("*", EventType.ANSWER_OUT, "http://a/")
    begin_write()
    accept(pbx, [Report(event_type=EventType.ANSWER_OUT, extension="1")])
    db.session.commit()
    row = db.session.execute(text("SELECT event_type, flow, status FROM call_event")).one()
    assert tuple(row) == (4, "OUT", "ANSWER")
    assert db.session.execute(text("SELECT state, method FROM delivery")).one() == (
        "pending",
        "GET",
    )


def test_foreign_keys_are_kept(pbx: Pbx) -> None:
    """Foreign keys are enforced."""
    begin_write()
    db.session.add(Extension(pbx_id=pbx.id + 1, number="1"))
    with pytest.raises(DBAPIError):
        db.session.flush()
    db.session.rollback()


def test_everything_of_a_pbx_goes_with_it(pbx: Pbx, configure: Configure) -> None:
    """The database removes all data of a PBX; origins belong to none, and the history stays."""
    configure.extension("101")
    configure.hook("101", EventType.DIAL_IN, "http://a/")
    begin_write()
    accept(pbx, [Report(event_type=EventType.DIAL_IN, extension=n) for n in ("101", "999")])
    db.session.commit()
    begin_write()
    db.session.execute(text("DELETE FROM pbx"))
    db.session.commit()
    left = {
        table.name
        for table in Base.metadata.sorted_tables
        if db.session.execute(select(table).limit(1)).first()
    }
    assert left == {"origin", "audit_entry"}


def test_sqlite_is_durable_and_shared(app: Flask) -> None:
    """SQLite runs with a write-ahead log, full sync and foreign keys."""
    if db.engine.dialect.name == "postgresql":
        assert db.session.scalar(text("SHOW fsync")) in {"on", "off"}, "the server's own matter"
        return
    values = {
        name: db.session.scalar(text(f"PRAGMA {name}"))
        for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
    }
    assert values == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "busy_timeout": 10_000,
    }


def test_events_have_names_labels_and_an_order() -> None:
    """Each event is found by its name, and the table's order is the original's."""
    for event in EventType:
        assert EventType.from_slug(event.slug) is event
        assert event.label
        assert event.short_label
    with pytest.raises(KeyError):
        EventType.from_slug("ring")
    assert [event.slug for event in TABLE_ORDER] == [
        *("dial-out", "dial-in", "hangup", "answer-in", "answer-out"),
    ]


def test_user_roles() -> None:
    """Only an admin is one."""
    assert not User(username="a").is_admin


def test_sqlite_writers_take_turns(tmp_path: Path) -> None:
    """A writer begins when the previous one has ended, and gives up after the busy timeout."""
    engine, began = create_engine(f"sqlite:///{tmp_path}/turns.sqlite3"), threading.Event()
    impatient = engine.execution_options(callevents_busy_timeout_ms=30)

    def write() -> None:
        with write_transaction(engine):
            began.set()

    with write_transaction(engine):
        with pytest.raises(OperationalError, match="locked"), write_transaction(impatient):
            pass
        other = threading.Thread(target=write)
        other.start()
        assert not began.wait(0.1), "two wrote at the same time"
    assert began.wait(30), "it began after the other had ended"
    other.join()
    engine.dispose()
