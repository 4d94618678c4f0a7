"""Limits the entries of failed sign-ins, so that somebody who guesses cannot fill the history."""

from threading import Lock

from callevents.token_bucket import TokenBucket

#: Of each web process: as many at once, and then one in this time.
BURST = 30
SECONDS_EACH = 20.0
#: Of a name that is no user's. It may be a password that was typed into the wrong field.
SHOWN_OF_UNKNOWN_NAME = 3


class SignInFailures:
    """Counts the failed sign-ins of an application that were left out of the history."""

    def __init__(self) -> None:
        self._bucket = TokenBucket(BURST, 1 / SECONDS_EACH)
        self._left_out = 0
        self._lock = Lock()

    def take(self) -> int | None:
        """Return the number left out since the last entry; None if this one is left out too."""
        with self._lock:
            if not self._bucket.take():
                self._left_out += 1
                return None
            left_out, self._left_out = self._left_out, 0
            return left_out


def shorten_name(typed: str) -> str:
    """Return the beginning of a name that is no user's."""
    return f"{typed[:SHOWN_OF_UNKNOWN_NAME]}…"
