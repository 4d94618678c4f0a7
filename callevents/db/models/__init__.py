"""The data model. Times are UTC with milliseconds; ids in URLs and requests are unguessable."""

from callevents.db.models.audit_entry import MAX_AUDIT_NAME_LENGTH, AuditEntry
from callevents.db.models.connector import (
    MAX_HOST_LENGTH,
    MAX_PATTERN_LENGTH,
    MAX_USERNAME_LENGTH,
    Connector,
)
from callevents.db.models.delivery import (
    IS_HELD,
    IS_OPEN,
    Attempt,
    Delivery,
    OpenIndex,
    find_ordering_key,
    in_state,
    is_open_by,
)
from callevents.db.models.discarded_report import DiscardedReport
from callevents.db.models.event import CallEvent
from callevents.db.models.hook import GIVE_UP_SECONDS, MAX_ORIGIN_LENGTH, Hook, Origin
from callevents.db.models.operations import MinuteStatistics, Notification, WorkerProcess
from callevents.db.models.pbx import (
    MAX_ADDRESS_LENGTH,
    Extension,
    IngestToken,
    Pbx,
    RemovedPbx,
    SeenExtension,
    UnknownToken,
)
from callevents.db.models.removal import Removal
from callevents.db.models.second_factor import AppKey, Passkey, RecoveryCode, SpentChallenge
from callevents.db.models.user import (
    MAX_CLIENT_LENGTH,
    MAX_EMAIL_LENGTH,
    Grant,
    PasswordLink,
    SignInFailure,
    User,
    UserIdentity,
    UserSession,
)
from callevents.db.types import (
    EVENT_ID_ALPHABET,
    EVENT_ID_LENGTH,
    MAX_NOTE_LENGTH,
    MAX_NUMBER_LENGTH,
    MAX_URL_LENGTH,
    first_id,
    id_created_at,
    new_event_id,
    new_id,
    to_id,
    to_milliseconds,
    utc_now,
)
from callevents.validation import MAX_NAME_LENGTH

__all__ = [
    "EVENT_ID_ALPHABET",
    "EVENT_ID_LENGTH",
    "GIVE_UP_SECONDS",
    "IS_HELD",
    "IS_OPEN",
    "MAX_ADDRESS_LENGTH",
    "MAX_AUDIT_NAME_LENGTH",
    "MAX_CLIENT_LENGTH",
    "MAX_EMAIL_LENGTH",
    "MAX_HOST_LENGTH",
    "MAX_NAME_LENGTH",
    "MAX_NOTE_LENGTH",
    "MAX_NUMBER_LENGTH",
    "MAX_ORIGIN_LENGTH",
    "MAX_PATTERN_LENGTH",
    "MAX_URL_LENGTH",
    "MAX_USERNAME_LENGTH",
    "AppKey",
    "Attempt",
    "AuditEntry",
    "CallEvent",
    "Connector",
    "Delivery",
    "DiscardedReport",
    "Extension",
    "Grant",
    "Hook",
    "IngestToken",
    "MinuteStatistics",
    "Notification",
    "OpenIndex",
    "Origin",
    "Passkey",
    "PasswordLink",
    "Pbx",
    "RecoveryCode",
    "Removal",
    "RemovedPbx",
    "SeenExtension",
    "SignInFailure",
    "SpentChallenge",
    "UnknownToken",
    "User",
    "UserIdentity",
    "UserSession",
    "WorkerProcess",
    "find_ordering_key",
    "first_id",
    "id_created_at",
    "in_state",
    "is_open_by",
    "new_event_id",
    "new_id",
    "to_id",
    "to_milliseconds",
    "utc_now",
]
