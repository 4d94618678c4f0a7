"""The tables of CallStatus in the documents are those of the code."""

import re

import pytest

from callevents.vendors.tracking.causes import find_status
from tests.support.programs import ROOT
from tests.support.recorded_streams import read_messages, tell_all

#: Final answers by cause, from `ast_sip_hangup_sip2cause` in Asterisk 22's res_pjsip.c.
SIP_ANSWERS = {
    1: (404, 485, 604),
    3: (420,),
    17: (486, 600),
    18: (408,),
    19: (480, 483),
    21: (401, 403, 407, 603),
    22: (410,),
    23: (302,),
    27: (502,),
    28: (484,),
    29: (501,),
    34: (503,),
    38: (500,),
    41: (409,),
    58: (488, 606),
    102: (504,),
    127: (400, 402, 405, 406, 411, 413, 414, 415, 481, 482, 487, 491, 493, 505),
}
#: By cause, from `ast_hangup_cause_to_dial_status` in Asterisk 22's dial.c; NOANSWER for others.
DIAL_STATUS = {3: "CHANUNAVAIL", 17: "BUSY", 20: "CHANUNAVAIL", 34: "CONGESTION"}
#: FreeSWITCH's causes, from switch_types.h of FreeSWITCH 1.10; those above 127 have no Q.850 cause.
FREESWITCH_CAUSES = {
    "UNALLOCATED_NUMBER": 1,
    "NO_ROUTE_TRANSIT_NET": 2,
    "NO_ROUTE_DESTINATION": 3,
    "CHANNEL_UNACCEPTABLE": 6,
    "CALL_AWARDED_DELIVERED": 7,
    "NORMAL_CLEARING": 16,
    "USER_BUSY": 17,
    "NO_USER_RESPONSE": 18,
    "NO_ANSWER": 19,
    "SUBSCRIBER_ABSENT": 20,
    "CALL_REJECTED": 21,
    "NUMBER_CHANGED": 22,
    "REDIRECTION_TO_NEW_DESTINATION": 23,
    "EXCHANGE_ROUTING_ERROR": 25,
    "DESTINATION_OUT_OF_ORDER": 27,
    "INVALID_NUMBER_FORMAT": 28,
    "FACILITY_REJECTED": 29,
    "RESPONSE_TO_STATUS_ENQUIRY": 30,
    "NORMAL_UNSPECIFIED": 31,
    "NORMAL_CIRCUIT_CONGESTION": 34,
    "NETWORK_OUT_OF_ORDER": 38,
    "NORMAL_TEMPORARY_FAILURE": 41,
    "SWITCH_CONGESTION": 42,
    "ACCESS_INFO_DISCARDED": 43,
    "REQUESTED_CHAN_UNAVAIL": 44,
    "PRE_EMPTED": 45,
    "FACILITY_NOT_SUBSCRIBED": 50,
    "OUTGOING_CALL_BARRED": 52,
    "INCOMING_CALL_BARRED": 54,
    "BEARERCAPABILITY_NOTAUTH": 57,
    "BEARERCAPABILITY_NOTAVAIL": 58,
    "SERVICE_UNAVAILABLE": 63,
    "BEARERCAPABILITY_NOTIMPL": 65,
    "CHAN_NOT_IMPLEMENTED": 66,
    "FACILITY_NOT_IMPLEMENTED": 69,
    "SERVICE_NOT_IMPLEMENTED": 79,
    "INVALID_CALL_REFERENCE": 81,
    "INCOMPATIBLE_DESTINATION": 88,
    "INVALID_MSG_UNSPECIFIED": 95,
    "MANDATORY_IE_MISSING": 96,
    "MESSAGE_TYPE_NONEXIST": 97,
    "WRONG_MESSAGE": 98,
    "IE_NONEXIST": 99,
    "INVALID_IE_CONTENTS": 100,
    "WRONG_CALL_STATE": 101,
    "RECOVERY_ON_TIMER_EXPIRE": 102,
    "MANDATORY_IE_LENGTH_ERROR": 103,
    "PROTOCOL_ERROR": 111,
    "INTERWORKING": 127,
    **dict.fromkeys(("ORIGINATOR_CANCEL", "SYSTEM_SHUTDOWN", "LOSE_RACE", "MANAGER_REQUEST"), 16),
    **dict.fromkeys(("BLIND_TRANSFER", "ATTENDED_TRANSFER", "ALLOTTED_TIMEOUT"), 16),
    **dict.fromkeys(("USER_CHALLENGE", "MEDIA_TIMEOUT", "PICKED_OFF", "USER_NOT_REGISTERED"), 16),
    **dict.fromkeys(("PROGRESS_TIMEOUT", "INVALID_GATEWAY", "GATEWAY_DOWN", "INVALID_URL"), 16),
    **dict.fromkeys(("INVALID_PROFILE", "NO_PICKUP", "SRTP_READ_ERROR", "BOWOUT"), 16),
    **dict.fromkeys(("BUSY_EVERYWHERE", "DECLINE", "DOES_NOT_EXIST_ANYWHERE"), 16),
    **dict.fromkeys(("NOT_ACCEPTABLE", "UNWANTED", "NO_IDENTITY", "BAD_IDENTITY_INFO"), 16),
    **dict.fromkeys(("UNSUPPORTED_CERTIFICATE", "INVALID_IDENTITY", "STALE_DATE"), 16),
    "REJECT_ALL": 16,
}


def read_table(page: str, head: str) -> list[list[str]]:
    """Return the rows of the table with this first line."""
    text = (ROOT / "docs" / page).read_text()
    lines = text[text.index(f"\n{head}\n") + len(head) + 2 :].splitlines()
    rows = [line for line in lines[1 : lines.index("")] if line.startswith("|")]
    return [[cell.strip().replace("`", "") for cell in row.strip("|").split("|")] for row in rows]


def test_every_final_answer_of_sip_has_its_row() -> None:
    """Answer, cause, DialStatus and CallStatus, as Asterisk's source and our code have them."""
    wanted = [
        [
            ", ".join(map(str, codes)),
            str(cause),
            (status := DIAL_STATUS.get(cause, "NOANSWER")),
            find_status(cause, is_answered=False, dial_status=status),
        ]
        for cause, codes in SIP_ANSWERS.items()
    ]
    assert read_table("asterisk.md", "| SIP answer | cause | DialStatus | CallStatus |") == wanted


def test_the_recorded_failures_have_the_status_of_the_table() -> None:
    """Ten failed calls of a running Asterisk: cause and status of both phones."""
    name = "n03_sip_failures"
    answers = {code: cause for cause, codes in SIP_ANSWERS.items() for code in codes}
    hangups = [one for one in read_messages("asterisk", name) if one["Event"] == "Hangup"]
    called = [one for one in hangups if one["Channel"].startswith("PJSIP/102-")]
    assert [int(one["TechCause"]) for one in called] == [
        *(400, 404, 410, 480, 484, 486, 488, 500, 503, 603),
    ]
    wanted = {}
    for one in called:
        cause = answers[int(one["TechCause"])]
        assert one["Cause"] == str(cause)
        dial_status = DIAL_STATUS.get(cause, "NOANSWER")
        status = find_status(cause, is_answered=False, dial_status=dial_status)
        wanted[one["Linkedid"]] = (cause, status)
    ends = [
        event
        for event in tell_all("asterisk", read_messages("asterisk", name))
        if event.answered is False
    ]
    assert {event.report.extension for event in ends} == {"101", "102"}
    for event in ends:
        assert (event.report.cause, event.report.status) == wanted[event.report.call_id]
    assert len(ends) == 2 * len(wanted)


def test_every_cause_of_freeswitch_has_its_place() -> None:
    """Each is named once, beside the status that it gives."""
    rows = read_table("freeswitch.md", "| CallStatus | causes of an unanswered call |")
    named = [(name, status) for status, names in rows for name in re.findall(r"[A-Z_]{4,}", names)]
    assert len(named) == len(dict(named))
    assert dict(named) == {
        name: find_status(cause, is_answered=False, name=name)
        for name, cause in FREESWITCH_CAUSES.items()
    }


@pytest.mark.parametrize("cause", [*range(128), None])
@pytest.mark.parametrize("dial_status", ["", "NOANSWER", "CANCEL", "ABORT"])
def test_no_hangup_has_an_empty_status(cause: int | None, dial_status: str) -> None:
    """Whatever the PBX says; 0 and 127 are CANCEL only if the dialing was cancelled."""
    status = find_status(cause, is_answered=False, dial_status=dial_status)
    assert status
    if cause in {0, 127}:
        assert (status == "CANCEL") is (dial_status == "CANCEL")
    assert find_status(cause, is_answered=True, dial_status=dial_status) == "ANSWER"
