"""The CallStatus of a hangup, derived from its cause."""

from callevents.enums import CallStatus
from callevents.ingest.enrich import NORMAL_CLEARING, STATUS_BY_CAUSE

NOT_DEFINED, INTERWORKING = 0, 127
#: Causes that do not say why a call was not answered, though they are often a caller's hangup.
_UNDECIDED_CAUSES = {NOT_DEFINED, NORMAL_CLEARING, INTERWORKING}
#: By Asterisk's DialStatus of the last number that a caller tried, or of the called leg.
_STATUS_BY_DIAL_STATUS = {
    "BUSY": CallStatus.BUSY,
    "NOANSWER": CallStatus.NOANSWER,
    "CANCEL": CallStatus.CANCEL,
    "CONGESTION": CallStatus.CONGESTION,
    "CHANUNAVAIL": CallStatus.CHANUNAVAIL,
}
#: By FreeSWITCH's names of causes that are more specific than their Q.850 number.
_STATUS_BY_NAME = {
    **dict.fromkeys(("ORIGINATOR_CANCEL", "LOSE_RACE", "PICKED_OFF"), CallStatus.CANCEL),
    **dict.fromkeys(("BLIND_TRANSFER", "ATTENDED_TRANSFER", "BOWOUT"), CallStatus.CANCEL),
    **dict.fromkeys(("MANAGER_REQUEST", "SYSTEM_SHUTDOWN"), CallStatus.CANCEL),
    "NORMAL_CLEARING": CallStatus.CANCEL,
    "BUSY_EVERYWHERE": CallStatus.BUSY,
    # For example SIP 500, 502 and 503.
    **dict.fromkeys(("NETWORK_OUT_OF_ORDER", "NORMAL_TEMPORARY_FAILURE"), CallStatus.CONGESTION),
    **dict.fromkeys(("NO_ROUTE_TRANSIT_NET", "REQUESTED_CHAN_UNAVAIL"), CallStatus.CHANUNAVAIL),
    **dict.fromkeys(("USER_NOT_REGISTERED", "DOES_NOT_EXIST_ANYWHERE"), CallStatus.CHANUNAVAIL),
    **dict.fromkeys(("GATEWAY_DOWN", "INVALID_GATEWAY"), CallStatus.CHANUNAVAIL),
    **dict.fromkeys(("INVALID_PROFILE", "INVALID_URL"), CallStatus.CHANUNAVAIL),
}


def find_status(
    cause: int | None, *, is_answered: bool, name: str = "", dial_status: str = ""
) -> CallStatus:
    """Return the CallStatus; `name` is FreeSWITCH's of the cause, `dial_status` is Asterisk's.

    Where the cause does not decide, the DialStatus does: a leg also ends with 16 when the PBX
    stopped ringing, with 127 for several errors, and with 0 if nobody set a cause. Without a
    DialStatus, it is NOANSWER.
    """
    if is_answered:
        return CallStatus.ANSWER
    if name in _STATUS_BY_NAME:
        return _STATUS_BY_NAME[name]
    if cause in STATUS_BY_CAUSE and cause not in _UNDECIDED_CAUSES:
        return STATUS_BY_CAUSE[cause]
    if dial_status in _STATUS_BY_DIAL_STATUS:
        return _STATUS_BY_DIAL_STATUS[dial_status]
    # FreeSWITCH gives this number to all causes that Q.850 does not have.
    is_cancel = cause == NORMAL_CLEARING and not name
    return CallStatus.CANCEL if is_cancel else CallStatus.NOANSWER
