"""Values from answers, kept with the call for later requests to the same receiver.

Requests of a call to a receiver are sent one after the other, so the answer to the request before
is recorded, with its values, before the next request is read.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, select, tuple_

from callevents.db.bulk import bulk_insert
from callevents.db.models import CallAnswer
from callevents.delivery.claim import OfReceiver
from callevents.delivery.http.client import Response

#: What the placeholder of a kept value begins with.
_BEGINNING = "{answer."


class CallOfReceiver(NamedTuple):
    """For which later requests a value is kept."""

    pbx_id: int
    call_id: str
    receiver_id: int


Answers = Mapping[str, str]


def may_use_answers(row: Any) -> bool:
    """Return False if a row with REQUEST_COLUMNS uses no kept values.

    Headers are encrypted; they are read later.
    """
    if row.receiver_id is None:
        return False
    return bool(row.custom_headers) or _BEGINNING in row.url or _BEGINNING in row.body_template


def keep_answers(
    connection: Connection, responses: Iterable[tuple[OfReceiver, Response]], now: datetime
) -> None:
    """Store the values of these responses; of two with the same name, the later one stays."""
    found: dict[tuple[CallOfReceiver, str], str] = {}
    for receiver, response in sorted(responses, key=lambda pair: pair[1].started_at):
        call = CallOfReceiver(receiver.pbx_id, receiver.call_id, receiver.id)
        for name, value in response.answers.items():
            found[call, name] = value
    if not found:
        return
    # In one order, so that two recorders cannot deadlock.
    rows = [
        {**call._asdict(), "name": name, "value": value, "created_at": now}
        for (call, name), value in sorted(found.items())
    ]
    _KEEP.run(connection, rows)


def _replace(insert: Any) -> Any:
    changes = {name: insert.excluded[name] for name in ("value", "created_at")}
    key = ("pbx_id", "call_id", "receiver_id", "name")
    return insert.on_conflict_do_update(index_elements=key, set_=changes)


_KEEP = bulk_insert(CallAnswer.__table__, _replace)


def load_answers(
    connection: Connection, calls: Iterable[CallOfReceiver]
) -> Mapping[CallOfReceiver, Answers]:
    """Return the kept values of these calls, by name."""
    wanted = sorted(set(calls))
    if not wanted:
        return {}
    key = (CallAnswer.pbx_id, CallAnswer.call_id, CallAnswer.receiver_id)
    query = select(*key, CallAnswer.name, CallAnswer.value).where(tuple_(*key).in_(wanted))
    found: dict[CallOfReceiver, dict[str, str]] = {}
    rows: Iterable[Any] = connection.execute(query)
    for *call, name, value in rows:
        found.setdefault(CallOfReceiver(*call), {})[name] = value
    return found
