"""The circuit breaker of an origin, which all workers share: its state is in SQL.

After some attempts in a row without a connection, or without an answer in time, it opens: nothing
is sent to the origin for a while. Then one delivery goes as a probe; an answer, whatever it says,
closes the breaker, silence makes the next pause twice as long.
"""

from collections.abc import Mapping, Sequence, Set
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection, bindparam, select, update

from callevents.config.settings import Settings
from callevents.db.models import Origin
from callevents.delivery.http.client import Response

log = structlog.get_logger("callevents.delivery")


_TROUBLED = select(Origin.id).where(
    Origin.id.in_(bindparam("ids", expanding=True)), Origin.failures > 0
)


def take_probe(connection: Connection, origin_id: int, probe_at: datetime, until: datetime) -> bool:
    """Return whether this worker may probe the origin; no other may until `until`."""
    taken = connection.execute(
        update(Origin)
        .where(Origin.id == origin_id, Origin.probe_at == probe_at)
        .values(probe_at=until)
    )
    return taken.rowcount == 1


def note_answers(
    connection: Connection,
    answers: Mapping[int, Sequence[Response]],
    probed: Set[int],
    now: datetime,
    settings: Settings,
) -> None:
    """Note how attempts went, by the ids of their origins; `probed`: which of them were probes."""
    # Nearly always there is nothing to forget, which this finds out without a lock.
    troubled = set(connection.scalars(_TROUBLED, {"ids": list(answers)}))
    # In the order of their ids, so that two recorders cannot deadlock.
    for origin_id in sorted(answers):
        group = answers[origin_id]
        silent = [answer for answer in group if answer.is_silent]
        if any(answer.is_answered for answer in group):
            if origin_id in troubled:
                _close(connection, origin_id)
        elif silent:
            _note_silence(connection, origin_id, silent, now, settings, origin_id in probed)


def _close(connection: Connection, origin_id: int) -> None:
    """Close the breaker of an origin that has answered, and forget its failures."""
    origin = connection.execute(
        select(Origin.name, Origin.probe_at).where(Origin.id == origin_id).with_for_update()
    ).one()
    connection.execute(
        update(Origin)
        .where(Origin.id == origin_id)
        .values(failures=0, times_opened=0, opened_at=None, probe_at=None, error="")
    )
    if origin.probe_at is not None:
        log.info("origin answers again", origin=origin.name)


def _note_silence(
    connection: Connection,
    origin_id: int,
    silent: Sequence[Response],
    now: datetime,
    settings: Settings,
    is_probe: bool,
) -> None:
    origin = connection.execute(
        select(Origin.name, Origin.failures, Origin.times_opened, Origin.opened_at)
        .where(Origin.id == origin_id)
        .with_for_update()
    ).one()
    failures = origin.failures + len(silent)
    values: dict[str, object] = {"failures": failures}
    # While it is open only a probe says something new: other attempts began before it opened, or
    # before their worker knew, and many of them ending one by one must not make the pause longest.
    is_open = origin.opened_at is not None
    if is_probe if is_open else failures >= settings.breaker_failures:
        pause = _pause(origin.times_opened, settings)
        values |= {
            "opened_at": origin.opened_at or now,
            "probe_at": now + pause,
            "times_opened": origin.times_opened + 1,
            "error": silent[-1].error,
        }
        log.warning("origin paused", origin=origin.name, seconds=pause.total_seconds())
    connection.execute(update(Origin).where(Origin.id == origin_id).values(values))


def _pause(times_opened: int, settings: Settings) -> timedelta:
    # The exponent is bounded because numbers are, the pause is long at its end already.
    seconds = settings.breaker_open_seconds * 2 ** min(times_opened, 30)
    return timedelta(seconds=min(seconds, settings.breaker_open_max_seconds))
