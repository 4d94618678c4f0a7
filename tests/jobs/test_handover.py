"""Entries of the hand-over list: what is written is read, and nothing that others wrote."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis import Redis

from callevents.config.settings import Settings
from callevents.db.models import new_id
from callevents.jobs.handover import (
    KEY,
    MAX_BYTES,
    MAX_DELIVERIES,
    Entry,
    EntryFormat,
    pop,
)
from callevents.security.encryption import make_key
from callevents.security.message_auth import MessageAuth

NOW = datetime(2026, 11, 29, 12, 0, 0, 123_456, tzinfo=UTC)
OURS = Settings(encryption_keys=(make_key(),))
FORMAT = EntryFormat(OURS)
IDS = st.integers(0, 3 * MAX_DELIVERIES).map(lambda count: {new_id(): n for n in range(count)})
TIMES = st.datetimes(datetime(2026, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  # Hypothesis wants them without


@given(claimed_at=TIMES, fences=IDS)
def test_round_trip(claimed_at: datetime, fences: dict[str, int]) -> None:
    """All deliveries come back, in order, in as few entries as fit, with the time of the claim."""
    texts = list(FORMAT.write(Entry(claimed_at, fences)))
    assert len(texts) == -(-len(fences) // MAX_DELIVERIES)
    found: dict[str, int] = {}
    for text in texts:
        assert len(text) <= MAX_BYTES
        entry = FORMAT.read(text)
        assert entry is not None
        assert abs(entry.claimed_at - claimed_at) <= timedelta(milliseconds=1)
        found |= entry.fences
    assert list(found.items()) == list(fences.items())


def test_entries_hold_ids_only() -> None:
    """Besides the time and the fence there is nothing in an entry."""
    delivery_id = new_id()
    [text] = FORMAT.write(Entry(NOW, {delivery_id: 7}))
    assert json.loads(text[16:]) == [round(NOW.timestamp() * 1000), [[delivery_id, 7]]]


def write_one() -> bytes:
    """Return an entry of ours."""
    [text] = FORMAT.write(Entry(NOW, {new_id(): 1}))
    return text


@pytest.mark.parametrize(
    "forged",
    [
        b"",
        b"garbage",
        b"\x00" * 16 + b"[1,[]]",
        b"[" * MAX_BYTES,
        write_one()[:-1],
        write_one() + b" ",
        write_one()[:16],
        write_one()[16:],
        write_one()[:16] + write_one()[16:],
    ],
    ids=(
        *("empty", "garbage", "no tag", "long", "cut", "longer", "tag alone", "no tag before it"),
        "tag of another",
    ),
)
def test_forgeries_are_not_read(forged: bytes) -> None:
    """What is not an entry of ours, whole and unchanged, is not parsed."""
    assert FORMAT.read(forged) is None


def test_entries_of_others_are_not_read() -> None:
    """Another installation has other keys; another purpose of our key is not this one."""
    entry = Entry(NOW, {new_id(): 1})
    [other_key] = EntryFormat(Settings(encryption_keys=(make_key(),))).write(entry)
    assert FORMAT.read(other_key) is None
    message = write_one()[16:]
    other_purpose = MessageAuth(OURS.read_encryption_keys, "another purpose").seal(message)
    assert FORMAT.read(other_purpose) is None
    # What is refused is the purpose and nothing else.
    assert FORMAT.read(MessageAuth(OURS.read_encryption_keys, PURPOSE).seal(message)) is not None


PURPOSE = "callevents handover 1"


def test_too_long_entries_are_not_read() -> None:
    """We write none that is so long, so it is not even checked."""
    seal = MessageAuth(OURS.read_encryption_keys, PURPOSE).seal
    fitting = b"[1,[]]".ljust(MAX_BYTES - 16)
    assert FORMAT.read(seal(fitting)) is not None
    assert FORMAT.read(seal(fitting + b" ")) is None


@pytest.mark.usefixtures("redis_url")
def test_pop(redis: Redis) -> None:
    """The oldest entry comes first, each once; without one it does not wait for ever."""
    texts = [write_one(), b"\xff\x00 not text", write_one()]
    redis.rpush(KEY, *texts)
    assert [pop(redis, 0.01) for _ in range(4)] == [*texts, None]
