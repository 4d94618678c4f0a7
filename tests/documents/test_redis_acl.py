"""The Redis user in docs/configuration.md: it can do what Call Events needs, and nothing else."""

import re
from collections.abc import Iterator

import pytest
from flask import Flask
from redis import Redis
from redis.exceptions import NoPermissionError

from callevents.config.settings import Settings
from callevents.enums import DeliveryState, EventType
from tests.conftest import Configure, RunPython
from tests.jobs.test_waker import application, report
from tests.support.programs import ROOT
from tests.support.receiver import Receiver
from tests.support.waiting import wait_for_state
from tests.support.worker_process import start_worker

TEXT = (ROOT / "docs" / "configuration.md").read_text()
LINE = re.search(r"^user callevents (on >password .*)$", TEXT, re.MULTILINE)[1]  # type: ignore[index]
#: What clients send before they have signed in needs no permission; the rest here is the test's.
OTHERS = {"hello", "auth", "acl|log", "acl|setuser", "acl|deluser", "config|resetstat"}


@pytest.fixture
def limited_url(redis: Redis, redis_url: str) -> Iterator[str]:
    """The URL of the real Valkey with the user of the document."""
    redis.execute_command("ACL", "SETUSER", "callevents", "reset", *LINE.split())
    redis.acl_log_reset()
    redis.config_resetstat()
    yield redis_url.replace("redis://", "redis://callevents:password@")
    redis.acl_deluser("callevents")


def used_commands(redis: Redis) -> set[str]:
    """Return the commands that were used since the statistics were reset."""
    return {name.removeprefix("cmdstat_") for name in redis.info("commandstats")}


def test_product_works_with_the_user(
    app: Flask,
    settings: Settings,
    limited_url: str,
    redis: Redis,
    token: str,
    configure: Configure,
    receiver: Receiver,
    run_python: RunPython,
) -> None:
    """Web server and worker run under it without a denied command, and use each allowed one."""
    configure.hook("*", EventType.DIAL_IN, receiver.url)
    worker = start_worker(run_python, settings, redis_url=limited_url)
    with application(settings, limited_url) as (limited, logged):
        assert limited.test_client().get("/readyz").status_code == 200
        assert report(limited, token) == 202
        assert "could not wake" not in logged.text
    [arrival] = receiver.wait_for(1)
    wait_for_state(arrival.parameters["DeliveryID"], DeliveryState.DELIVERED)
    worker.process.terminate()
    assert worker.wait() == 0
    assert redis.acl_log() == []
    allowed = {word[1:] for word in LINE.split() if word.startswith("+")}
    assert used_commands(redis) - OTHERS == allowed


@pytest.mark.parametrize(
    "command",
    [
        ("GET", "session"),
        ("SET", "rq:queue:other", "x"),
        ("RPUSH", "rq:queue:other", "x"),
        ("FLUSHALL",),
        ("CONFIG", "GET", "*"),
        ("EVAL", "return 1", "0"),
        ("PUBLISH", "rq:pubsub:x", "{}"),
        ("KEYS", "*"),
    ],
)
def test_user_can_do_nothing_else(limited_url: str, command: tuple[str, ...]) -> None:
    """Other keys, other commands and channels are denied."""
    with Redis.from_url(limited_url) as client, pytest.raises(NoPermissionError):
        client.execute_command(*command)
