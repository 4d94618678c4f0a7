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

_POSTGRES = """
INSERT INTO call_event (id, pbx_id, key, event_type, extension, call_id, leg_id, peer,
    caller_number, caller_name, caller_extension, called_number, called_extension, called_did,
    happened_at, received_at)
SELECT '01900000-0000-7000-8000-000000000001', {pbx}, 'k', 0, '1', 'c', '', '', '', '', '', '', '',
    '', now(), now()
ON CONFLICT DO NOTHING;
INSERT INTO delivery (id, pbx_id, call_event_id, event_type, extension, call_id, happened_at,
    hook_id, hook_event_id, method, url, origin_id, state, attempts, due_at, expires_at, is_retry,
    deferred, fence, created_at, attempts_before, error, duration_ms, status_code, finished_at)
SELECT (lpad(to_hex({start} + n * 10), 12, '0') || '70008000' || lpad(to_hex(n), 12, '0'))::uuid,
    CASE WHEN n % 10 = 0 THEN {other} ELSE {pbx} END,
    '01900000-0000-7000-8000-000000000001', n % 5, (100 + n % 97)::text, 'call-' || (n / 3),
    now(), n % 40 + 1, 'hook' || (n % 40 + 1), 'GET', 'https://crm.example.com/pop?call=' || n,
    n % 7 + 1, {state}, 1, now(), now(), false, false, 1, now(), 0, '', 12, 200, now()
FROM generate_series({first}, {last}) AS n
"""
_STATE = """CASE WHEN n % 1000 = 0 THEN 'failed' WHEN n % 2500 = 1 THEN 'cancelled'
    WHEN n > {count} - 500 AND n % 3 = 0 THEN 'pending' ELSE 'delivered' END"""
_SQLITE = """
INSERT INTO call_event (id, pbx_id, key, event_type, extension, call_id, leg_id, peer,
    caller_number, caller_name, caller_extension, called_number, called_extension, called_did,
    happened_at, received_at)
VALUES ('01900000000070008000000000000001', {pbx}, 'k', 0, '1', 'c', '', '', '', '', '', '', '',
    '', {now}, {now})
ON CONFLICT DO NOTHING;
WITH RECURSIVE series (n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM series WHERE n < {last})
INSERT INTO delivery (id, pbx_id, call_event_id, event_type, extension, call_id, happened_at,
    hook_id, hook_event_id, method, url, origin_id, state, attempts, due_at, expires_at, is_retry,
    deferred, fence, created_at, attempts_before, error, duration_ms, status_code, finished_at)
SELECT printf('%012x', {start} + n * 10) || '7000' || '8000' || printf('%012x', n),
    CASE WHEN n % 10 = 0 THEN {other} ELSE {pbx} END,
    '01900000000070008000000000000001', n % 5, CAST(100 + n % 97 AS TEXT), 'call-' || (n / 3),
    {now}, n % 40 + 1, 'hook' || (n % 40 + 1), 'GET', 'https://crm.example.com/pop?call=' || n,
    n % 7 + 1, {state}, 1, {now}, {now}, 0, 0, 1, {now}, 0, '', 12, 200, {now}
FROM series
"""


def make_deliveries(pbx: Pbx, other: Pbx, count: int) -> datetime:
    """Make so many deliveries, 10 ms apart, a tenth of them the other PBX's; return when they end.

    40 hooks, 7 origins, 97 extensions, 5 event types and calls of three; one in a thousand failed,
    one in 2,500 was cancelled, and of the last 500 a third wait.
    """
    is_postgres = db.engine.dialect.name == "postgresql"
    end = utc_now()
    values = {
        "pbx": pbx.id,
        "other": other.id,
        "count": count,
        "start": int(end.timestamp() * 1000) - count * 10,
        "state": _STATE.format(count=count),
        "now": "'2026-01-01 00:00:00.000000'",
    }
    for first in range(1, count + 1, CHUNK):
        begin_write()
        values |= {"first": first, "last": min(count, first + CHUNK - 1)}
        for statement in (_POSTGRES if is_postgres else _SQLITE).format(**values).split(";"):
            db.session.execute(text(statement.replace(":", "\\:")))
        db.session.commit()
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE delivery" if is_postgres else "ANALYZE")
    return end
