"""Health checks for monitoring: /healthz (liveness) and /readyz (readiness)."""

from concurrent.futures import Future, ThreadPoolExecutor

import redis
import structlog
from flask import Blueprint, Response, jsonify
from redis.backoff import NoBackoff
from redis.retry import Retry
from sqlalchemy import Engine

from callevents.db.schema import has_current_tables
from callevents.extensions import app_state, db

TIMEOUT_SECONDS = 1.0
OK = "ok"
NO_ANSWER = "does not answer"

bp = Blueprint("health", __name__)
log = structlog.get_logger(__name__)
# The checks run in threads, so that a database that hangs does not delay the response.
_threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="readyz")


@bp.get("/healthz")
def healthz() -> Response:
    """Return 200 as long as the process runs."""
    return _respond({"status": "ok"})


@bp.get("/readyz")
def readyz() -> tuple[Response, int]:
    """Check the database and Redis; return 503 and the failing part if one fails.

    The response is public and names no host; the log has the reason.
    """
    states = find_states()
    status = summarize(states)
    return _respond({"status": status, **states}), 200 if status == OK else 503


def find_states() -> dict[str, str]:
    """Return the state of each part that requests need: `ok`, or what is wrong."""
    checks = {
        "database": _threads.submit(_check_database, db.engine),
        "redis": _threads.submit(_check_redis, app_state().settings.queue_url),
    }
    return {name: _state(name, future) for name, future in checks.items()}


def summarize(states: dict[str, str]) -> str:
    """Return `ok` if all parts work, else `unavailable`."""
    return OK if all(state == OK for state in states.values()) else "unavailable"


def _respond(body: dict[str, str]) -> Response:
    response = jsonify(body)
    response.cache_control.no_store = True
    return response


def _state(name: str, future: Future[str]) -> str:
    try:
        return future.result(timeout=TIMEOUT_SECONDS)
    except Exception as error:  # noqa: BLE001  # any error means that the part does not work
        future.cancel()
        log.warning("not ready", part=name, reason=repr(error))
        return NO_ANSWER


def _check_database(engine: Engine) -> str:
    return OK if has_current_tables(engine) else "is not set up for this version"


def _check_redis(url: str) -> str:
    client = redis.Redis.from_url(
        url,
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )
    with client:
        client.ping()
    return OK
