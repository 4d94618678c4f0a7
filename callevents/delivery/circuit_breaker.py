"""The circuit breaker of an origin. Its state is in SQL, so all workers share it.

It opens after several attempts in a row that found the origin unreachable or timed out: nothing is
sent for a while. Then one delivery is sent as a probe. Any response closes the breaker; without one
it stays open for twice as long as before.
"""

from collections.abc import Mapping, Sequence, Set
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection, select, update

from callevents.config.settings import Settings
from callevents.db.bulk import is_one_of
from callevents.db.models import Origin
from callevents.delivery.http.client import Response

log = structlog.get_logger("callevents.delivery")


_FAILING = select(Origin.id).where(is_one_of(Origin.id, "ids"), Origin.failures > 0)


def acquire_probe(
    connection: Connection, origin_id: int, probe_at: datetime, until: datetime
) -> bool:
    """Return True if this worker may probe the origin; no other worker may until `until`."""
    acquired = connection.execute(
        update(Origin)
        .where(Origin.id == origin_id, Origin.probe_at == probe_at)
        .values(probe_at=until)
    )
    return acquired.rowcount == 1


def note_responses(
    connection: Connection,
    responses: Mapping[int, Sequence[Response]],
    probed: Set[int],
    now: datetime,
    settings: Settings,
) -> None:
    """Update the breakers with the results of attempts, by origin id; `probed`: the probed ones."""
    # Nearly always no breaker changes, which this finds out without a lock.
    failing = set(connection.scalars(_FAILING, {"ids": list(responses)}))
    # In the order of their ids, so that two recorders cannot deadlock.
    for origin_id in sorted(responses):
        group = responses[origin_id]
        failures = [response for response in group if response.is_unreachable]
        if any(response.has_response for response in group):
            if origin_id in failing:
                _close(connection, origin_id)
        elif failures:
            _count_failures(connection, origin_id, failures, now, settings, origin_id in probed)


def _close(connection: Connection, origin_id: int) -> None:
    """Close the breaker of an origin that has responded, and reset its failures."""
    origin = connection.execute(
        select(Origin.name, Origin.probe_at).where(Origin.id == origin_id).with_for_update()
    ).one()
    connection.execute(
        update(Origin)
        .where(Origin.id == origin_id)
        .values(failures=0, times_opened=0, opened_at=None, probe_at=None, error="")
    )
    if origin.probe_at is not None:
        log.info("circuit closed", origin=origin.name)


def _count_failures(
    connection: Connection,
    origin_id: int,
    failures: Sequence[Response],
    now: datetime,
    settings: Settings,
    is_probe: bool,
) -> None:
    """Count attempts without a response; open the breaker, or open it for longer."""
    origin = connection.execute(
        select(Origin.name, Origin.failures, Origin.times_opened, Origin.opened_at)
        .where(Origin.id == origin_id)
        .with_for_update()
    ).one()
    count = origin.failures + len(failures)
    values: dict[str, object] = {"failures": count}
    # While it is open only a probe is news: other attempts began before it opened, or before their
    # worker knew, and many of them ending one by one must not extend the open time to its maximum.
    is_open = origin.opened_at is not None
    if is_probe if is_open else count >= settings.breaker_failures:
        duration = _open_duration(origin.times_opened, settings)
        values |= {
            "opened_at": origin.opened_at or now,
            "probe_at": now + duration,
            "times_opened": origin.times_opened + 1,
            "error": failures[-1].error,
        }
        log.warning("circuit opened", origin=origin.name, seconds=duration.total_seconds())
    connection.execute(update(Origin).where(Origin.id == origin_id).values(values))


def _open_duration(times_opened: int, settings: Settings) -> timedelta:
    """Return how long the breaker stays open; doubles each time, up to the configured maximum."""
    # The exponent is bounded because float powers overflow; the maximum is reached long before.
    seconds = settings.breaker_open_seconds * 2 ** min(times_opened, 30)
    return timedelta(seconds=min(seconds, settings.breaker_open_max_seconds))
