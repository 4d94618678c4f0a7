"""The PBX's own time, also for messages that do not carry one."""

from datetime import datetime, timedelta

from callevents.models import to_milliseconds, utc_now
from callevents.pbx.values import Message, moment_of


class PbxClock:
    """Reads times from messages, and goes by the difference to our clock where there is none."""

    def __init__(self, name: str, units_per_second: int) -> None:
        self._name = name
        self._units_per_second = units_per_second
        self._ahead = timedelta()

    def read(self, message: Message) -> datetime:
        """Return when the message was made."""
        now = utc_now()
        moment = moment_of(message, self._name, self._units_per_second)
        if moment is None:
            return to_milliseconds(now + self._ahead)
        self._ahead = moment - now
        return moment
