"""The request of a delivery: names, order, encoding, and how the URL is kept."""

from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callevents.delivery.request import Request, build_request, parameters, preview
from callevents.enums import CallFlow, CallStatus, EventType, Method
from callevents.models import CallEvent

VOIPNOW = [
    *("CallID", "CallAPIID", "CallerIDNum", "CallerIDName", "CallerExtension"),
    *("CalledExtension", "CalledNumber", "CalledDID", "CallFlow", "CallStatus"),
]
OURS = [
    *("EventType", "EventID", "Extension", "EventTime", "Duration", "HangupCause"),
    *("DeliveryID", "PBX"),
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
    known = {"event_type": EventType.DIAL_IN, "extension": "101"}
    return CallEvent(
        **{**empty, **known, "happened_at": datetime(2026, 3, 1, tzinfo=UTC), **values}
    )


def values_of(told: CallEvent) -> dict[str, str]:
    """Return the parameters of the event."""
    return dict(parameters(told, pbx_slug="office", hook_event_id="E" * 30, delivery_id="d1"))


def test_names_never_vary() -> None:
    """VoipNow's ten come first and in its order, then ours; unknown values are empty."""
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
    told = event(
        event_type=EventType.HANGUP,
        call_id="c1",
        leg_id="l1",
        caller_number="1",
        caller_name="Ana",
        caller_extension="2",
        called_extension="3",
        called_number="4",
        called_did="5",
        flow=CallFlow.OUT,
        status=CallStatus.BUSY,
        cause=0,
        duration_seconds=0,
        happened_at=datetime(2026, 3, 1, 12, 0, 0, 5_999, timezone(timedelta(hours=2))),
    )
    assert list(values_of(told).values()) == [
        *("c1", "l1", "1", "Ana", "2", "3", "4", "5", "OUT", "BUSY"),
        *("hangup", "E" * 30, "101", "2026-03-01T10:00:00.005Z", "0", "0", "d1", "office"),
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
    request = build_request(Method.GET, url, [("a", "1")])
    assert (request.url, request.body) == (sent, "")
    assert "Content-Type" not in request.headers


def test_post_has_parameters_in_the_body() -> None:
    """A POST leaves the URL as it is and says how long and what its body is."""
    request = build_request(Method.POST, "http://h?x=1&", [("a", "é&"), ("b", "")])
    assert (request.url, request.body) == ("http://h/?x=1&", "a=%C3%A9%26&b=")
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert request.headers["Content-Length"] == str(len("a=%C3%A9%26&b="))


def test_plus_and_space_are_escaped() -> None:
    """The characters that forms treat specially are escaped, and a space is never a plus."""
    request = build_request(Method.GET, "http://h/", [("n", "+40 21"), ("t", "&=%#;/?~é")])
    assert request.url == "http://h/?n=%2B40%2021&t=%26%3D%25%23%3B%2F%3F~%C3%A9"


@given(st.lists(st.tuples(texts, texts)), st.sampled_from(Method))
def test_any_value_is_read_back(pairs: list[tuple[str, str]], method: Method) -> None:
    """Whatever a value has, a receiver's form parser reads exactly that."""
    request = build_request(method, "http://h/p?own=1", pairs)
    assert request.url.isascii()
    text = urlsplit(request.url).query if method is Method.GET else request.body
    own = [("own", "1")] if method is Method.GET else []
    assert parse_qsl(text, keep_blank_values=True, max_num_fields=None) == own + pairs


def test_request_as_text() -> None:
    """What people are shown is the request as HTTP/1.1 writes it."""
    get = Request(Method.GET, "http://h:81", {"Accept": "*/*"})
    assert get.as_text() == "GET / HTTP/1.1\nHost: h:81\nAccept: */*"
    post = Request(Method.POST, "http://h/p?x=1", {"A": "b"}, "c=d")
    assert post.as_text() == "POST /p?x=1 HTTP/1.1\nHost: h\nA: b\n\nc=d"


@pytest.mark.parametrize("event_type", EventType)
def test_preview_is_a_real_request(event_type: EventType) -> None:
    """The preview for each event has all parameters, of a call that fits the event."""
    request = preview(
        Method.POST, "http://h/x?y=1", event_type, pbx_slug="office", extension="0003*210"
    )
    told = dict(parse_qsl(request.body, keep_blank_values=True))
    assert list(told) == VOIPNOW + OURS
    assert told["EventType"] == event_type.slug
    assert told["EventID"] == "(generated-when-saved)"
    assert (told["PBX"], told["Extension"]) == ("office", "0003*210")
    own = "CallerExtension" if event_type.call_flow == "OUT" else "CalledExtension"
    assert told[own] == "0003*210"
    hangup = event_type is EventType.HANGUP
    assert (told["Duration"], told["HangupCause"]) == (("42", "16") if hangup else ("", ""))
    dialled = event_type in {EventType.DIAL_IN, EventType.DIAL_OUT}
    assert told["CallStatus"] == ("CALLING" if dialled else "ANSWER")


def test_preview_of_a_saved_hook_has_its_event_id() -> None:
    """A hook that exists shows its own Event ID."""
    request = preview(
        Method.GET, "http://h", EventType.HANGUP, pbx_slug="p", extension="1", event_id="abc"
    )
    assert "&EventID=abc&" in request.url
