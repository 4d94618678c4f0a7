"""The CallStatus of a hangup, from what PBXs give as its cause."""

from callevents.enums import CallStatus
from callevents.ingest.enrich import NORMAL_CLEARING, STATUS_BY_CAUSE

#: Asterisk's DialStatus of the last number that a caller tried.
_STATUS_BY_DIAL_STATUS = {
    "BUSY": CallStatus.BUSY,
    "NOANSWER": CallStatus.NOANSWER,
    "CONGESTION": CallStatus.CONGESTION,
    "CHANUNAVAIL": CallStatus.CHANUNAVAIL,
}
#: FreeSWITCH's names of causes, where they tell more than their Q.850 number.
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
    """Return the CallStatus, None for a cause that says nothing of it.

    A caller's leg ends with 16 too when the PBX gave up ringing; the last DialStatus tells.
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
