"""Reads the hand-over list as anybody can who may connect to Valkey: with MONITOR."""

import ast
import re
import time
from types import TracebackType

from redis import Redis

from callevents.jobs.handover import KEY

_PUSH = re.compile(rb'[\d.]+ \[[^\]]*\] "(?i:rpush)" "%s" (.*)' % KEY.encode(), re.DOTALL)
_ARGUMENT = re.compile(rb'"(?:[^"\\]|\\.)*"')


class Monitor:
    """Sees what is appended to the list from now on."""

    def __init__(self, redis: Redis) -> None:
        self._pool = redis.connection_pool
        self._connection = self._pool.get_connection()
        self._connection.send_command("MONITOR")
        self._connection.read_response()

    def __enter__(self) -> "Monitor":
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._connection.disconnect()
        self._pool.release(self._connection)

    def read(self, seconds: float) -> list[bytes]:
        """Return what was appended next; empty if nothing was within that time."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and self._connection.can_read(left):
            if found := _PUSH.fullmatch(self._connection.read_response()):
                return [read_argument(one) for one in _ARGUMENT.findall(found[1])]
        return []


def read_argument(quoted: bytes) -> bytes:
    """Return the bytes of an argument that MONITOR shows in quotes, with escapes as in Python."""
    argument: bytes = ast.literal_eval(f"b{quoted.decode('ascii')}")
    return argument
