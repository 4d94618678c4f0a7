"""Valid messages of each format, from the vendor's documentation or a recording."""

import json
from datetime import UTC, datetime
from urllib.parse import parse_qsl

from callevents.enums import Format
from tests.vendors import (
    test_kamailio,
    test_kazoo,
    test_phones,
    test_sipgate,
    test_three_cx,
    test_twilio,
    test_voipnow,
    test_wazo,
    test_yeastar,
)
from tests.vendors.freeswitch import test_http_reports

Document = dict[str, object]


def _with(name: str, values: tuple[object, ...], *documents: Document) -> list[Document]:
    """Return each document once with each of the values under this name."""
    return [{**document, name: value} for document in documents for value in values]


def _snapshots() -> list[Document]:
    inside, outside = test_yeastar.extension, test_yeastar.outside
    return [
        test_yeastar.snapshot(inside("1", status), other)
        for status in ("ALERT", "RING", "ANSWER", "BYE")
        for other in (
            inside("2", "RING"),
            outside("inbound", "ALERT"),
            outside("outbound", "ANSWER"),
        )
    ]


DIALOGS = ("invite", "ringing", "answer", "bye", "dialog_failed", "cancel")
OWN: Document = {
    "event": "answer-in",
    "extension": "102",
    "peer": "101",
    "call_id": "c",
    "leg_id": "l",
    "at": datetime(2026, 3, 1, tzinfo=UTC).isoformat(),
}
HOOK: Document = {"ext": "102", "peer": "101", "leg": "l", "call": "c", "at": "1772359200250000"}

GOOD: dict[Format, list[Document]] = {
    Format.GENERIC: [
        OWN,
        {**OWN, "event": "hangup", "cause": 16, "duration": 4.5, "status": "ANSWER"},
        {"Type": 1, "ext": "101", "caller-name": "Ana", "called": "102", "id": "k", "at": 1.8e9},
    ],
    Format.VOIPNOW: _with(
        "EventType",
        ("dial-in", "dial-out", "answer", "hangup"),
        test_voipnow.TELPHIN,
        test_voipnow.IN,
    ),
    Format.FREESWITCH: [
        *test_http_reports.read_records("f01_internal_answered_caller_hangs_up"),
        *test_http_reports.read_records("f04_internal_busy"),
        *_with("event", ("dial-in", "dial-out", "answer-in", "hangup"), HOOK),
    ],
    Format.KAMAILIO: _with("event", DIALOGS, {**test_kamailio.CALL, "at": "1"}),
    Format.YEASTAR: _snapshots(),
    Format.WAZO: [
        {"name": name, "data": data}
        for name in ("call_created", "call_updated", "call_answered", "call_ended")
        for data in (test_wazo.CALLER, test_wazo.CALLED)
    ],
    Format.KAZOO: _with(
        "hook_event",
        ("channel_create", "channel_answer", "channel_bridge", "channel_destroy"),
        {**test_kazoo.INBOUND},
        {**test_kazoo.OUTBOUND},
    ),
    Format.TWILIO: _with(
        "CallStatus",
        ("initiated", "ringing", "in-progress", "completed", "busy"),
        {**test_twilio.TO_CLIENT},
        {**test_twilio.TO_NUMBER},
    ),
    Format.SIPGATE: [
        test_sipgate.NEW_CALL,
        *_with("event", ("newCall", "answer", "hangup"), {**test_sipgate.OUT, "user[]": "Ana"}),
    ],
    Format.THREE_CX: [dict(parse_qsl(text)) for text in test_three_cx.EXAMPLES],
    Format.PHONES: _with(
        "event",
        ("incoming", "outgoing", "established", "answered", "terminated", "missed", "dial-in"),
        {**test_phones.YEALINK},
        {**test_phones.GRANDSTREAM},
        {**test_phones.SNOM},
    ),
}
#: As JSON text: a new document is parsed for each mutation.
TEXTS = {format_: [json.dumps(one) for one in found] for format_, found in GOOD.items()}
