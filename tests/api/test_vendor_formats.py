"""Reports in vendors' formats through the ingest route: read, stored, responded to."""

import hmac
import json
from base64 import b64encode
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from callevents.db.models import Pbx
from callevents.db.session import begin_write
from callevents.enums import EventType, Format
from callevents.errors import InvalidError
from callevents.extensions import db
from callevents.pbxs import pbxs, tokens
from tests.api.conftest import EVENT, Send, check_problem, is_empty, stored
from tests.conftest import Configure
from tests.fuzz.examples import GOOD
from tests.vendors.test_yeastar import extension, snapshot

URL = "/ingest/head-office"
CALL = {"from": "101", "to": "102", "callid": "c1"}


def choose(pbx: Pbx, format_: str, secret: str | None = None) -> None:
    """Choose the PBX's format."""
    begin_write()
    pbxs.set_format(pbxs.get_pbx(pbx.slug), format_, secret)
    db.session.commit()


def get(client: FlaskClient, token: str, **fields: str) -> Any:
    """Report by a GET with the token in the query."""
    return client.get(URL, query_string={"token": token, **fields})


def test_call_of_kamailio(client: FlaskClient, pbx: Pbx, token: str, configure: Configure) -> None:
    """A call that Kamailio reports becomes events and deliveries of both extensions."""
    choose(pbx, "kamailio")
    configure.extension("102")
    configure.hook("102", EventType.ANSWER_IN, "http://127.0.0.1:9/")
    for event in ("invite", "ringing", "dialog_start", "dialog_end"):
        answer = get(client, token, event=event, **CALL)
        assert answer.status_code == 200
    assert [(one.event_type.slug, one.extension, one.status) for one in stored()] == [
        ("dial-out", "101", "CALLING"),
        ("dial-in", "102", "CALLING"),
        ("answer-out", "101", "ANSWER"),
        ("answer-in", "102", "ANSWER"),
        ("hangup", "101", "ANSWER"),
        ("hangup", "102", "ANSWER"),
    ]
    again = get(client, token, event="dialog_start", **CALL).get_json()["results"]
    assert [(one["status"], one["repeated"]) for one in again] == [(200, True), (200, True)]


def test_earlier_events_are_looked_up(client: FlaskClient, pbx: Pbx, token: str) -> None:
    """The end of a call is a hangup of the extensions with an earlier event in this call."""
    choose(pbx, "kamailio")
    get(client, token, event="invite", **CALL)
    get(client, token, event="ringing", **{**CALL, "callid": "another"})
    results = get(client, token, event="dialog_failed", code="486", **CALL).get_json()["results"]
    assert len(results) == 1
    assert [one.cause for one in stored() if one.event_type is EventType.HANGUP] == [17]


def test_ignored(client: FlaskClient, pbx: Pbx, token: str) -> None:
    """A message that is none of the five events gets 200 and the reason why it was ignored."""
    choose(pbx, "kamailio")
    answer = get(client, token, event="failed_reply", **CALL)
    assert answer.status_code == 200
    assert answer.get_json() == {
        "results": [],
        "passed_over": "Kamailio's event 'failed_reply' is none of the five call events.",
    }
    assert is_empty()


def test_errors_name_the_field(client: FlaskClient, pbx: Pbx, token: str) -> None:
    """A message without a required field gets 422, with the field and the format."""
    choose(pbx, "kamailio")
    document = check_problem(get(client, token, event="invite", to="102", callid="c"), 422)
    assert document["detail"] == "Kamailio: Must be given, as a string or a number."
    assert [error["field"] for error in document["errors"]] == ["from"]
    document = check_problem(get(client, token, event="invite", **{**CALL, "from": "1" * 65}), 422)
    assert document["errors"] == [
        {"field": "extension", "rule": "Must be at most 64 characters (got 65)."}
    ]
    assert is_empty()


def test_token_is_needed(client: FlaskClient, pbx: Pbx, token: str) -> None:
    """A vendor's format needs the token, like the native one."""
    choose(pbx, "kamailio")
    check_problem(client.get(URL, query_string={"event": "invite", **CALL}), 401)
    check_problem(get(client, "cet_wrong", event="invite", **CALL), 401)
    headers = {"Authorization": f"Bearer {token}"}
    assert client.post(URL, data={"event": "invite", **CALL}, headers=headers).status_code == 200
    assert client.post(URL, data={"event": "ringing", **CALL, "token": token}).status_code == 200


@pytest.mark.parametrize(
    ("data", "content_type", "status"),
    [
        (b"\xff", "application/json", 400),
        (b"{", "application/json", 400),
        (b"{", "application/x-www-form-urlencoded", 400),
        (b"[1]", "application/json", 400),
        (b"7", "application/json", 400),
        (b"a=%FF", "application/x-www-form-urlencoded", 422),
        (b"[" * 100_000, "application/json", 400),
        (b"", "application/json", 422),
    ],
)
def test_unreadable(send: Send, pbx: Pbx, data: bytes, content_type: str, status: int) -> None:
    """An unreadable request gets the same errors as in the native format."""
    choose(pbx, "kamailio")
    check_problem(send(data=data, content_type=content_type), status)


def test_json_under_a_forms_type(send: Send, pbx: Pbx) -> None:
    """The bytes decide how a body is read: FreeSWITCH sends JSON as a form."""
    choose(pbx, "kamailio")
    body = json.dumps({"event": "invite", **CALL})
    answer = send(data=body, content_type="application/x-www-form-urlencoded")
    assert [one["status"] for one in answer.get_json()["results"]] == [202]


def test_format_takes_effect_at_once(app: Flask, pbx: Pbx, token: str, client: FlaskClient) -> None:
    """A process that remembers the PBX reads the next report in the format chosen by another."""
    assert get(client, token, **EVENT).status_code == 202
    choose(pbx, "kamailio")
    # Valid in the native format, so a process with a stale cache would take the fast path.
    assert "passed_over" in get(client, token, **EVENT).get_json()
    choose(pbx, "generic")
    assert get(client, token, **EVENT).status_code == 202
    assert get(client, token, **EVENT).status_code == 202
    assert len(stored()) == 3


def test_tokens_keep_their_order_and_names(pbx: Pbx, token: str) -> None:
    """Choosing a format leaves the tokens valid, in their order, with their hints and IDs."""
    begin_write()
    second = tokens.add_token(pbx)
    db.session.commit()
    ids = [one.public_id for one in tokens.list_tokens(pbx)]
    choose(pbx, "kamailio")
    kept = tokens.list_tokens(pbx)
    assert [one.hint for one in kept] == [token[:9], second[:9]]
    assert [one.public_id for one in kept] == ids
    assert {one.id for one in kept}.isdisjoint(ids)
    assert tokens.look_up(pbx.slug, token).token_id
    assert tokens.look_up(pbx.slug, second).token_id


def test_signature_of_yeastar(send: Send, pbx: Pbx, token: str) -> None:
    """If a secret is set, a message without a valid signature is rejected with advice."""
    choose(pbx, "yeastar", "s3cret")
    message = snapshot(extension("1000", "ALERT"), extension("2000", "RING"))
    body = json.dumps(message).encode()
    good = b64encode(hmac.new(b"s3cret", body, "sha256").digest()).decode()
    bearer = {"Authorization": f"Bearer {token}"}
    for signature in ("", "nonsense", b64encode(b"x" * 32).decode()):
        answer = send(data=body, headers=bearer | {"X-Signature": signature})
        document = check_problem(answer, 401)
        assert document["detail"].startswith("The header X-Signature is not a valid signature")
    assert is_empty()
    answer = send(data=body, headers=bearer | {"X-Signature": good})
    assert [one["status"] for one in answer.get_json()["results"]] == [202, 202]
    choose(pbx, "yeastar", "")
    assert send(data=body, headers=bearer).status_code == 200


def test_secret_that_cannot_be_decrypted(send: Send, pbx: Pbx) -> None:
    """A secret that cannot be decrypted verifies nothing, so all messages get 503."""
    choose(pbx, "yeastar", "s3cret")
    begin_write()
    pbxs.get_pbx(pbx.slug).format_secret = "gAAAA"
    db.session.commit()
    assert "cannot be decrypted" in check_problem(send(data=b"{}"), 503)["detail"]


def test_sipgate_is_asked_for_answer_and_hangup(client: FlaskClient, pbx: Pbx, token: str) -> None:
    """The answer to sipgate is the XML by which it reports the rest of the call."""
    choose(pbx, "sipgate")
    answer = client.post(
        f"{URL}?token={token}",
        data="event=newCall&direction=in&from=1&to=2&callId=7&userId[]=w0&userId[]=w1",
        content_type="application/x-www-form-urlencoded",
    )
    assert (answer.status_code, answer.content_type) == (200, "application/xml")
    assert f'onAnswer="http://localhost{URL}?token={token}"' in answer.text
    assert [one.extension for one in stored()] == ["w0", "w1"]


def test_partly_wrong(send: Send, pbx: Pbx) -> None:
    """In a snapshot with a member that breaks a rule, the others are accepted."""
    choose(pbx, "yeastar")
    message = snapshot(extension("1000", "ALERT"), extension("2" * 65, "RING"))
    answer = send(json=message)
    assert answer.status_code == 207
    assert [one["status"] for one in answer.get_json()["results"]] == [202, 422]


#: Requests that mean little or nothing in most formats.
INVALID_REQUESTS: list[dict[str, Any]] = [
    {"json": {}},
    {"json": {"event": 7}},
    {"json": {"msg": "x", "type": 30011}},
    {"data": {}},
    {"data": {"event": "x"}},
    {"data": {"event": ["a", "b"], "CallSid": "c"}},
    {"data": "event=\x00&callId=%00", "content_type": "application/x-www-form-urlencoded"},
    {"data": {"event": "hangup"}, "content_type": "multipart/form-data"},
    {"data": b"\x00\xff", "content_type": "image/png"},
    {"data": "x", "headers": {"Content-Encoding": "gzip"}},
]
#: The status of the response to each of them. 200: the message is ignored.
INVALID_STATUSES = {
    Format.FREESWITCH: [422, 200, 422, 422, 200, 200, 422, 422, 422, 415],
    Format.KAMAILIO: [422, 200, 422, 422, 200, 200, 422, 200, 422, 415],
    Format.KAZOO: [422, 422, 422, 422, 422, 422, 422, 422, 422, 415],
    Format.PHONES: [422, 200, 422, 422, 200, 200, 422, 200, 422, 415],
    Format.SIPGATE: [422, 422, 422, 422, 422, 422, 422, 422, 422, 415],
    Format.THREE_CX: [422, 200, 422, 422, 200, 200, 422, 200, 422, 415],
    Format.TWILIO: [422, 422, 422, 422, 422, 422, 422, 422, 422, 415],
    Format.VOIPNOW: [422, 200, 422, 422, 200, 200, 422, 422, 422, 415],
    Format.WAZO: [422, 200, 422, 422, 200, 200, 422, 200, 422, 415],
    Format.YEASTAR: [422, 422, 422, 422, 422, 422, 422, 422, 422, 415],
}
FORMATS = [one for one in Format if one is not Format.GENERIC]


@pytest.mark.parametrize("format_", FORMATS)
def test_invalid_requests(send: Send, pbx: Pbx, format_: Format) -> None:
    """Each invalid request is ignored, or rejected with a problem document; nothing is stored."""
    choose(pbx, format_)
    responses = [send(**request) for request in INVALID_REQUESTS]
    assert [response.status_code for response in responses] == INVALID_STATUSES[format_]
    for response in responses:
        if response.status_code != 200:
            check_problem(response, response.status_code)
    assert is_empty()


@pytest.mark.parametrize("format_", FORMATS)
def test_good_messages(send: Send, pbx: Pbx, format_: Format) -> None:
    """Good messages of each format become call events; a list of them is refused."""
    choose(pbx, format_)
    check_problem(send(json=GOOD[format_]), 400)
    assert is_empty()
    assert {send(json=message).status_code for message in GOOD[format_]} == {200}
    assert stored()


def test_unknown_format(pbx: Pbx) -> None:
    """A format that does not exist is refused with the names of those that do."""
    with pytest.raises(InvalidError, match=r"^Unknown format 'nonsense'\. Use one of: generic, "):
        choose(pbx, "nonsense")
    assert pbxs.get_pbx(pbx.slug).format is Format.GENERIC
