"""The CallStatus of a hangup, derived from its cause."""

from callevents.enums import CallStatus
from callevents.ingest.enrich import NORMAL_CLEARING, STATUS_BY_CAUSE

#: By Asterisk's DialStatus of the last number that a caller tried.
_STATUS_BY_DIAL_STATUS = {
    "BUSY": CallStatus.BUSY,
    "NOANSWER": CallStatus.NOANSWER,
    "CONGESTION": CallStatus.CONGESTION,
    "CHANUNAVAIL": CallStatus.CHANUNAVAIL,
}
#: By FreeSWITCH's names of causes that are more specific than their Q.850 number.
_STATUS_BY_NAME = {
    "ORIGINATOR_CANCEL": CallStatus.CANCEL,
    "LOSE_RACE": CallStatus.CANCEL,
    "PICKED_OFF": CallStatus.CANCEL,
    "REDIRECTION_TO_NEW_DESTINATION": CallStatus.NOANSWER,
    "ALLOTTED_TIMEOUT": CallStatus.NOANSWER,
    "PROGRESS_TIMEOUT": CallStatus.NOANSWER,
    "USER_NOT_REGISTERED": CallStatus.CHANUNAVAIL,
    "SUBSCRIBER_ABSENT": CallStatus.CHANUNAVAIL,
}


def find_status(
    cause: int | None, *, is_answered: bool, name: str = "", dial_status: str = ""
) -> CallStatus | None:
    """Return the CallStatus; None if the cause implies none.

    A caller's leg also ends with 16 when the PBX stopped ringing; the last DialStatus decides then.
    """
    if is_answered:
        return CallStatus.ANSWER
    if name in _STATUS_BY_NAME:
        return _STATUS_BY_NAME[name]
    if cause is None:
        return None
    if cause == NORMAL_CLEARING and dial_status in _STATUS_BY_DIAL_STATUS:
        return _STATUS_BY_DIAL_STATUS[dial_status]
    return STATUS_BY_CAUSE.get(cause)
