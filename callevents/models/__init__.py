"""The data model. Times are UTC with milliseconds; ids that leave the system are unguessable."""

from callevents.models.columns import (
    EVENT_ID_ALPHABET,
    EVENT_ID_LENGTH,
    MAX_NAME_LENGTH,
    MAX_NOTE_LENGTH,
    MAX_NUMBER_LENGTH,
    MAX_URL_LENGTH,
    first_id,
    made_at,
    new_event_id,
    new_id,
    to_id,
    to_milliseconds,
    utc_now,
)
from callevents.models.connector import (
    MAX_HOST_LENGTH,
    MAX_PATTERN_LENGTH,
    MAX_USERNAME_LENGTH,
    Connector,
)
from callevents.models.delivery import IS_OPEN, Attempt, Delivery, find_lane, in_state
from callevents.models.event import CallEvent
from callevents.models.hook import GIVE_UP_SECONDS, MAX_ORIGIN_LENGTH, Hook, Origin
from callevents.models.odd_report import OddReport
from callevents.models.pbx import Extension, IngestToken, Pbx, SeenExtension
from callevents.models.user import SignInFailure, User
from callevents.models.watch import MinuteFigures, Notice, WorkerProcess

__all__ = [
    "EVENT_ID_ALPHABET",
    "EVENT_ID_LENGTH",
    "GIVE_UP_SECONDS",
    "IS_OPEN",
    "MAX_HOST_LENGTH",
    "MAX_NAME_LENGTH",
    "MAX_NOTE_LENGTH",
    "MAX_NUMBER_LENGTH",
    "MAX_ORIGIN_LENGTH",
    "MAX_PATTERN_LENGTH",
    "MAX_URL_LENGTH",
    "MAX_USERNAME_LENGTH",
    "Attempt",
    "CallEvent",
    "Connector",
    "Delivery",
    "Extension",
    "Hook",
    "IngestToken",
    "MinuteFigures",
    "Notice",
    "OddReport",
    "Origin",
    "Pbx",
    "SeenExtension",
    "SignInFailure",
    "User",
    "WorkerProcess",
    "find_lane",
    "first_id",
    "in_state",
    "made_at",
    "new_event_id",
    "new_id",
    "to_id",
    "to_milliseconds",
    "utc_now",
]
