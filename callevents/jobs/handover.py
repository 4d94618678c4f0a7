"""The hand-over list in Redis: deliveries that the transaction of their event has claimed.

A worker pops the entries and sends. An entry holds IDs only, so it reveals nothing and cannot be
out of date. SQL stays the truth: a delivery whose entry is lost is due when its short lease ends.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import cast

from redis import Redis

from callevents.config.settings import Settings
from callevents.delivery.claim import Fences
from callevents.security.message_auth import MessageAuth

KEY = "callevents:handover"
#: While the list is longer, workers are behind, and new deliveries are left to SQL.
MAX_ENTRIES = 64
#: Deliveries of one entry.
MAX_DELIVERIES = 50
#: Longer entries are not ours.
MAX_BYTES = 16 * 1024


@dataclass(frozen=True)
class Entry:
    """Deliveries that were claimed together."""

    claimed_at: datetime
    fences: Fences


class EntryFormat:
    """Writes and reads entries. Those that nobody with our encryption keys wrote are not read."""

    def __init__(self, settings: Settings) -> None:
        self._auth = MessageAuth(settings.read_encryption_keys, "callevents handover 1")

    def write(self, entry: Entry) -> Iterator[bytes]:
        """Yield what to append to the list."""
        claimed_at = round(entry.claimed_at.timestamp() * 1000)
        left = iter(entry.fences.items())
        while pairs := list(islice(left, MAX_DELIVERIES)):
            yield self._auth.seal(json.dumps([claimed_at, pairs], separators=(",", ":")).encode())

    def read(self, data: bytes) -> Entry | None:
        """Return the entry, None if it is not ours."""
        message = self._auth.open(data) if len(data) <= MAX_BYTES else None
        if message is None:
            return None
        claimed_at, pairs = json.loads(message)
        return Entry(datetime.fromtimestamp(claimed_at / 1000, UTC), dict(pairs))


def pop(connection: Redis, seconds: float) -> bytes | None:
    """Return the oldest entry; wait up to so many seconds for one. Raises RedisError."""
    # The client's types allow for text, which ours does not decode.
    found = cast(tuple[bytes, bytes] | None, connection.blpop([KEY], timeout=seconds))
    return found[1] if found else None
