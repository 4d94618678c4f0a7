"""The request of a delivery: names, order, encoding, and how the URL is kept."""

import base64
import json
from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callevents.db.models import CallEvent
from callevents.delivery.request.build import Request, RequestTemplate, build_request
from callevents.delivery.request.call_values import parameters
from callevents.enums import (
    AuthKind,
    BodyFormat,
    CallFlow,
    CallStatus,
    EventType,
    Method,
    ParameterSet,
)
from callevents.hooks.preview import example_parameters

VOIPNOW = [
    *("CallID", "CallAPIID", "CallerIDNum", "CallerIDName", "CallerExtension"),
    *("CalledExtension", "CalledNumber", "CalledDID", "CallFlow", "CallStatus"),
]
OURS = [
    *("EventType", "EventID", "Extension", "EventTime", "Duration", "HangupCause"),
    *("DeliveryID", "PBX", "Late"),
]
HANGUP_ONLY = [
    *("StartTime", "AnswerTime", "EndTime", "RingSeconds", "TalkSeconds", "RemoteNumber"),
    *("Direction", "AnsweredBy", "Queue", "Outcome"),
]
texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("+&=%#;? "))


def event(**values: object) -> CallEvent:
    """Return an event of which little is known."""
    empty = dict.fromkeys(
        (
            *("call_id", "leg_id", "peer", "caller_number", "caller_name", "caller_extension"),
            *("called_number", "called_extension", "called_did"),
        ),
        "",
    )
    known = {"event_type": EventType.DIAL_IN, "extension": "101", "is_late": False}
    return CallEvent(
        **{**empty, **known, "happened_at": datetime(2026, 3, 1, tzinfo=UTC), **values}
    )


def values_of(call_event: CallEvent) -> dict[str, str]:
    """Return the parameters of the event."""
    return dict(parameters(call_event, pbx_slug="office", hook_event_id="E" * 30, delivery_id="d1"))


def test_names_never_vary() -> None:
    """VoipNow's ten come first and in its order, then ours, then those of hangups only."""
    hangup = values_of(event(event_type=EventType.HANGUP))
    assert list(hangup) == VOIPNOW + OURS + HANGUP_ONLY
    found = parameters(event(), pbx_slug="office", hook_event_id="E" * 30, delivery_id="d1")
    assert [name for name, _ in found] == VOIPNOW + OURS
    assert {name: value for name, value in found if value} == {
        "EventType": "dial-in",
        "EventID": "E" * 30,
        "Extension": "101",
        "EventTime": "2026-03-01T00:00:00.000Z",
        "DeliveryID": "d1",
        "PBX": "office",
    }


def test_every_value_has_its_name() -> None:
    """Each fact of an event arrives under the name that VoipNow's consumers read."""
    sent = event(
        event_type=EventType.HANGUP,
        call_id="c1",
        leg_id="l1",
        caller_number="1",
        caller_name="Ana",
        caller_extension="2",
        called_extension="3",
        called_number="4",
        called_did="5",
        queue="6",
        answered_by="7",
        flow=CallFlow.OUT,
        status=CallStatus.BUSY,
        cause=0,
        duration_seconds=0,
        is_late=True,
        happened_at=datetime(2026, 3, 1, 12, 0, 0, 5_999, timezone(timedelta(hours=2))),
    )
    assert list(values_of(sent).values()) == [
        *("c1", "l1", "1", "Ana", "2", "3", "4", "5", "OUT", "BUSY"),
        *("hangup", "E" * 30, "101", "2026-03-01T10:00:00.005Z", "0", "0", "d1", "office", "1"),
        *("2026-03-01T10:00:00.005Z", "", "2026-03-01T10:00:00.005Z", "", "0", "4", "internal"),
        *("7", "6", "answered"),
    ]


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("http://h", "http://h/?a=1"),
        ("http://h/", "http://h/?a=1"),
        ("http://h?", "http://h/?a=1"),
        ("http://h?x=/", "http://h/?x=/&a=1"),
        ("http://h/p", "http://h/p?a=1"),
        ("http://h/p?", "http://h/p?a=1"),
        ("http://h/p?x", "http://h/p?x&a=1"),
        ("http://h/p?x=1", "http://h/p?x=1&a=1"),
        ("http://h/p?x=1&", "http://h/p?x=1&a=1"),
        ("http://h/p?a=0&a=%2f%7e", "http://h/p?a=0&a=%2f%7e&a=1"),
        ("http://h:81/é?q=ü", "http://h:81/%C3%A9?q=%C3%BC&a=1"),
        ("http://h/p?d=100%&e=%zz", "http://h/p?d=100%25&e=%25zz&a=1"),
        ("http://[2001:db8::1]:8/a[1]?f[x]=1", "http://[2001:db8::1]:8/a[1]?f[x]=1&a=1"),
        ('http://h/?q=a|b"<>^`{}', "http://h/?q=a%7Cb%22%3C%3E%5E%60%7B%7D&a=1"),
    ],
)
def test_get_has_parameters_behind_the_query(url: str, sent: str) -> None:
    """The URL's own query stays as it is, and the parameters follow it."""
    request = build_request(RequestTemplate(Method.GET, url), [("a", "1")])
    assert (request.url, request.body) == (sent, "")
    assert "Content-Type" not in request.headers


def test_post_has_parameters_in_the_body() -> None:
    """A POST leaves the URL as it is and says how long and what its body is."""
    request = build_request(RequestTemplate(Method.POST, "http://h?x=1&"), [("a", "é&"), ("b", "")])
    assert (request.url, request.body) == ("http://h/?x=1&", "a=%C3%A9%26&b=")
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert request.headers["Content-Length"] == str(len("a=%C3%A9%26&b="))


def test_plus_and_space_are_escaped() -> None:
    """The characters that forms treat specially are escaped, and a space is never a plus."""
    request = build_request(
        RequestTemplate(Method.GET, "http://h/"), [("n", "+40 21"), ("t", "&=%#;/?~é")]
    )
    assert request.url == "http://h/?n=%2B40%2021&t=%26%3D%25%23%3B%2F%3F~%C3%A9"


@given(st.lists(st.tuples(texts, texts)), st.sampled_from(Method))
def test_any_value_is_read_back(pairs: list[tuple[str, str]], method: Method) -> None:
    """Whatever a value has, a receiver's form parser reads exactly that."""
    request = build_request(RequestTemplate(method, "http://h/p?own=1"), pairs)
    assert request.url.isascii()
    has_query = method in {Method.GET, Method.DELETE}
    text = urlsplit(request.url).query if has_query else request.body
    own = [("own", "1")] if has_query else []
    assert parse_qsl(text, keep_blank_values=True, max_num_fields=None) == own + pairs


NOW = datetime(2026, 3, 1, 10, tzinfo=UTC)


def test_request_as_text() -> None:
    """The displayed request is in HTTP/1.1 format."""
    get = Request(Method.GET, "http://h:81", {"Accept": "*/*"})
    assert get.as_text(NOW) == "GET / HTTP/1.1\nHost: h:81\nAccept: */*"
    post = Request(Method.POST, "http://h/p?x=1", {"A": "b"}, "c=d")
    assert post.as_text(NOW) == "POST /p?x=1 HTTP/1.1\nHost: h\nA: b\n\nc=d"


@pytest.mark.parametrize("event_type", EventType)
def test_example_call_fits_its_event(event_type: EventType) -> None:
    """The example for each event has all parameters, of a call that fits the event."""
    sent = dict(example_parameters(event_type, pbx_slug="office", extension="0003*210"))
    hangup = event_type is EventType.HANGUP
    assert list(sent) == VOIPNOW + OURS + (HANGUP_ONLY if hangup else [])
    assert sent["EventType"] == event_type.slug
    assert sent["EventID"] == "(generated-when-saved)"
    assert (sent["PBX"], sent["Extension"]) == ("office", "0003*210")
    own = "CallerExtension" if event_type.call_flow == "OUT" else "CalledExtension"
    assert sent[own] == "0003*210"
    assert (sent["Duration"], sent["HangupCause"]) == (("42", "16") if hangup else ("", ""))
    dialled = event_type in {EventType.DIAL_IN, EventType.DIAL_OUT}
    assert sent["CallStatus"] == ("CALLING" if dialled else "ANSWER")


def test_example_call_of_a_saved_hook_has_its_event_id() -> None:
    """A hook that exists shows its own Event ID."""
    sent = example_parameters(EventType.HANGUP, pbx_slug="p", extension="1", event_id="abc")
    assert ("EventID", "abc") in sent


ALL = [(name, name.lower()) for name in VOIPNOW + OURS]


def test_json_body() -> None:
    """A JSON body is an object of the same names, all texts, with its length in bytes."""
    template = RequestTemplate(Method.POST, "http://h/", BodyFormat.JSON)
    request = build_request(template, [("CallerIDName", 'Zoë "x"'), ("Duration", "")])
    assert request.body == '{"CallerIDName": "Zoë \\"x\\"", "Duration": ""}'
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["Content-Length"] == str(len(request.body.encode()))
    get = build_request(RequestTemplate(Method.GET, "http://h/", BodyFormat.JSON), [("a", "1")])
    assert (get.url, get.body) == ("http://h/?a=1", "")


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (ParameterSet.ALL, VOIPNOW + OURS),
        (ParameterSet.VOIPNOW, VOIPNOW),
        (ParameterSet.NONE, []),
    ],
)
def test_sets_of_parameters(wanted: ParameterSet, names: list[str]) -> None:
    """A hook sends all parameters, VoipNow's ten or none; marks are always sent."""
    for marks in ([], [("Test", "1")]):
        sent = names + [name for name, _ in marks]
        form = build_request(
            RequestTemplate(Method.POST, "http://h/", parameters=wanted), ALL, marks=marks
        )
        assert [name for name, _ in parse_qsl(form.body)] == sent
        template = RequestTemplate(Method.POST, "http://h/", BodyFormat.JSON, wanted)
        assert list(json.loads(build_request(template, ALL, marks=marks).body)) == sent
        url = build_request(
            RequestTemplate(Method.GET, "http://h/x", parameters=wanted), ALL, marks=marks
        ).url
        assert [name for name, _ in parse_qsl(urlsplit(url).query)] == sent
        assert url.endswith("/x") == (not sent)


def test_placeholders_know_all_parameters() -> None:
    """Placeholders are filled whichever parameters are sent, in the URL and in custom headers."""
    template = RequestTemplate(
        Method.GET,
        "http://h/{Extension}?c={CallID}",
        parameters=ParameterSet.NONE,
        custom_headers=[("X-Caller", "<{CallerIDName}>")],
    )
    request = build_request(template, [*ALL, ("CallerIDName", "Zoë\r\nX: y%")])
    assert request.url == "http://h/extension?c=callid"
    assert request.headers["X-Caller"] == "<Zo%C3%AB%0D%0AX: y%25>"


def test_own_headers_replace_ours() -> None:
    """A custom User-Agent replaces ours, in any case."""
    template = RequestTemplate(
        Method.GET, "http://h/", custom_headers=[("user-agent", "x"), ("X-A", "1")]
    )
    assert build_request(template, []).headers == {"Accept": "*/*", "user-agent": "x", "X-A": "1"}


@pytest.mark.parametrize(
    ("url", "sent", "shown"),
    [
        (
            "http://h/p?tenant=7&token=s3cret",
            "http://h/p?tenant=7&token=s3cret&a=1",
            "http://h/p?tenant=7&token=••••&a=1",
        ),
        (
            "http://h?API%5FKey=é&x=1",
            "http://h/?API%5FKey=%C3%A9&x=1&a=1",
            "http://h/?API%5FKey=••••&x=1&a=1",
        ),
        (
            "http://h/?password=p&secret=a{CallID}&key=",
            "http://h/?password=p&secret=ac%2F1&key=&a=1",
            "http://h/?password=••••&secret=••••&key=&a=1",
        ),
        (
            "http://h/{CallID}?state={CallStatus}&sig=1",
            "http://h/c%2F1?state=BUSY&sig=1&a=1",
            "http://h/c%2F1?state=BUSY&sig=••••&a=1",
        ),
        ("http://h/?key={Nobody}", "http://h/?key=%7BNobody%7D&a=1", "http://h/?key=••••&a=1"),
        ("http://h/token/9?q=key", "http://h/token/9?q=key&a=1", "http://h/token/9?q=key&a=1"),
    ],
)
def test_url_is_shown_without_its_secrets(url: str, sent: str, shown: str) -> None:
    """Values of parameters that look secret are masked but sent; those of calls are shown."""
    known = [("CallID", "c/1"), ("CallStatus", "BUSY")]
    template = RequestTemplate(Method.GET, url, parameters=ParameterSet.NONE)
    request = build_request(template, known, marks=[("a", "1")])
    assert (request.url, request.shown_url) == (sent, shown)


def test_secrets_are_masked() -> None:
    """The displayed and printed request has no custom header's value and no credentials."""
    for auth, wire, shown in (
        (AuthKind.BEARER, "Bearer s3cret", "Bearer ••••"),
        (AuthKind.BASIC, "Basic YW5hOnMzY3JldA==", "Basic ••••"),
    ):
        headers = [("X-Key", "k3y")]
        template = RequestTemplate(
            Method.POST,
            "http://h/",
            custom_headers=headers,
            auth=auth,
            username="ana",
            secret="s3cret",
        )
        request = build_request(template, [])
        assert request.headers_at(NOW)["Authorization"] == wire
        assert request.headers_at(NOW)["X-Key"] == "k3y"
        assert request.shown_headers(NOW)["Authorization"] == shown
        assert request.shown_headers(NOW)["X-Key"] == "••••"
        assert list(request.shown_headers(NOW)) == list(request.headers_at(NOW))
        for text in (request.as_text(NOW), repr(request), repr(template)):
            assert not any(secret in text for secret in ("s3cret", "k3y", "YW5h"))


def test_basic_credentials_are_utf_8() -> None:
    """User and password go as UTF-8, as RFC 7617 has it."""
    template = RequestTemplate(
        Method.GET, "http://h/", auth=AuthKind.BASIC, username="é", secret=":ö"
    )
    sent = build_request(template, []).headers["Authorization"].removeprefix("Basic ")
    assert base64.b64decode(sent).decode() == "é::ö"
