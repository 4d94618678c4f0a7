"""The hand-over list, as a worker would read it."""

from typing import cast

from redis import Redis

from callevents.config.settings import Settings
from callevents.jobs.handover import KEY, EntryFormat


def read_list(redis: Redis, settings: Settings) -> dict[str, int]:
    """Return the fences, by delivery ID, of all entries that wait."""
    entry_format, fences = EntryFormat(settings), dict[str, int]()
    # The client's types allow for text, which ours does not decode.
    for data in cast(list[bytes], redis.lrange(KEY, 0, -1)):
        entry = entry_format.read(data)
        assert entry is not None, data
        assert not entry.fences.keys() & fences.keys(), "a delivery is in the list twice"
        fences |= entry.fences
    return fences
