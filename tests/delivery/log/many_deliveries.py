"""Creates hundreds of thousands of deliveries quickly."""

import os
from datetime import datetime

from sqlalchemy import text

from callevents.db.models import Pbx, utc_now
from callevents.db.session import begin_write
from callevents.extensions import db

#: Number of deliveries for tests of query plans.
MANY = int(os.environ.get("CALLEVENTS_TEST_DELIVERIES", "50000"))
#: Rows per statement: none may exceed the statement timeout.
CHUNK = 20_000

#: Each delivery has an event with the same ID.
_EVENTS = """
INSERT INTO call_event (id, pbx_id, key, event_type, extension, call_id, leg_id, peer,
    caller_number, caller_name, caller_extension, called_number, called_extension, called_did,
    happened_at, received_at)
SELECT {id}, {of_pbx}, CAST(n AS TEXT), n % 5, CAST(100 + n % 97 AS TEXT), 'call-' || (n / 3),
    '', '', '', '', '', '', '', '', {now}, {now}
FROM {series}
"""
_DELIVERIES = """
INSERT INTO delivery (id, pbx_id, call_event_id, event_type, extension, call_id, happened_at,
    hook_id, hook_event_id, method, url, origin_id, state, attempts, due_at, expires_at, is_retry,
    deferred, fence, created_at, attempts_before, error, duration_ms, status_code, finished_at)
SELECT {id}, {of_pbx}, {id}, n % 5, CAST(100 + n % 97 AS TEXT), 'call-' || (n / 3), {now},
    n % 40 + 1, 'hook' || (n % 40 + 1), 'GET', 'https://crm.example.com/pop?call=' || n,
    n % 7 + 1, {state}, 1, {now}, {now}, false, false, 1, {now}, 0, '', 12, 200, {now}
FROM {series}
"""
_STATE = """CASE WHEN n % 1000 = 0 THEN 'failed' WHEN n % 2500 = 1 THEN 'cancelled'
    WHEN n % 2500 = 2 THEN 'skipped' WHEN n > {count} - 500 AND n % 3 = 0 THEN 'pending'
    ELSE 'delivered' END"""
#: The id of row n, and all rows.
_POSTGRES = {
    "id": "(lpad(to_hex({start} + n * 10), 12, '0') || '70008000' "
    "|| lpad(to_hex(n), 12, '0'))::uuid",
    "series": "generate_series({first}, {last}) AS n",
    "now": "date_trunc('milliseconds', now())",
}
_SQLITE = {
    "id": "printf('%012x', {start} + n * 10) || '70008000' || printf('%012x', n)",
    "series": "(WITH RECURSIVE series (n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM series "
    "WHERE n < {last}) SELECT n FROM series)",
    "now": "'2026-01-01 00:00:00.000000'",
}


def make_deliveries(pbx: Pbx, other: Pbx, count: int) -> datetime:
    """Make so many events, 10 ms apart, each with a delivery; return when they end.

    A tenth of them are the other PBX's. 40 hooks, 7 origins, 97 extensions, 5 event types, calls of
    three; one in a thousand failed, one in 2,500 was cancelled and one skipped, and of the last 500
    a third wait.
    """
    is_postgres = db.engine.dialect.name == "postgresql"
    end = utc_now()
    start = int(end.timestamp() * 1000) - count * 10
    values = {
        "of_pbx": f"CASE WHEN n % 10 = 0 THEN {other.id} ELSE {pbx.id} END",
        "state": _STATE.format(count=count),
    }
    for first in range(1, count + 1, CHUNK):
        begin_write()
        numbers = {"start": start, "first": first, "last": min(count, first + CHUNK - 1)}
        for name, sql in (_POSTGRES if is_postgres else _SQLITE).items():
            values[name] = sql.format(**numbers)
        for statement in (_EVENTS, _DELIVERIES):
            db.session.execute(text(statement.format(**values).replace(":", "\\:")))
        db.session.commit()
    if is_postgres:
        # As autovacuum does. Nothing analyzes SQLite.
        with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM ANALYZE")
    return end
