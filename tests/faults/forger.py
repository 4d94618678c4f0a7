"""An attacker who may read and write Valkey: copies entries of the list, and forges others."""

import json
import random
import time
from collections.abc import Iterator

from redis import Redis

from callevents.config.settings import Settings
from callevents.db.models import new_id, utc_now
from callevents.jobs.handover import KEY, Entry, EntryFormat
from callevents.security.encryption import make_key
from callevents.security.message_auth import TAG_BYTES
from tests.faults.monitor import Monitor

#: Copies come at once, and up to this time later, when they are too old.
LATEST_COPY_SECONDS = 4.0
POLL_SECONDS = 0.02


class Forger:
    """Attacks until `run` returns. `forged` is the number of entries that are not ours."""

    def __init__(self, redis: Redis, dice: random.Random) -> None:
        self.forged = 0
        self._redis = redis
        self._dice = dice
        self._other_key = EntryFormat(Settings(encryption_keys=(make_key(),)))
        self._pushed: set[bytes] = set()
        self._copies: list[tuple[float, bytes]] = []

    def run(self, seconds: float) -> set[str]:
        """Attack for that time; return the ids of the deliveries whose entries were copied."""
        until = time.monotonic() + seconds
        copied: set[str] = set()
        with Monitor(self._redis) as monitor:
            while time.monotonic() < until:
                for text in monitor.read(POLL_SECONDS):
                    if text not in self._pushed:
                        copied |= self._attack(text)
                self._push_copies(time.monotonic())
        time.sleep(LATEST_COPY_SECONDS)
        self._push_copies(until + LATEST_COPY_SECONDS)
        return copied

    def _attack(self, text: bytes) -> set[str]:
        """Push copies and forgeries of the entry; return the ids of its deliveries."""
        later = time.monotonic() + self._dice.uniform(0, LATEST_COPY_SECONDS)
        self._copies.append((later, text))
        self._push(text, text)
        forgeries = list(self._forge(text))
        self._push(*forgeries)
        self.forged += len(forgeries)
        return {delivery_id for delivery_id, _ in json.loads(text[TAG_BYTES:])[1]}

    def _forge(self, text: bytes) -> Iterator[bytes]:
        tag, message = text[:TAG_BYTES], text[TAG_BYTES:]
        flipped = bytearray(text)
        flipped[self._dice.randrange(len(text))] ^= 1 << self._dice.randrange(8)
        yield bytes(flipped)
        yield text[: self._dice.randrange(1, len(text))]
        yield message
        yield tag + json.dumps([utc_now().timestamp() * 1000, [[new_id(), 1]]]).encode()
        yield self._dice.randbytes(60)
        yield from self._other_key.write(Entry(utc_now(), {new_id(): 1}))

    def _push_copies(self, now: float) -> None:
        self._push(*(text for due, text in self._copies if due <= now))
        self._copies = [one for one in self._copies if one[0] > now]

    def _push(self, *texts: bytes) -> None:
        if texts:
            self._pushed.update(texts)
            self._redis.rpush(KEY, *texts)
