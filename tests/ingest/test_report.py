"""Reading a report: names, values, times, and an error for each invalid value."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callevents.db.models import to_milliseconds
from callevents.enums import CallStatus, EventType
from callevents.errors import InvalidError
from callevents.ingest.field_values import shorten
from callevents.ingest.report import FIELDS, Report, read_report

EVENT = {"event": "dial-in", "extension": "101"}
#: Fields that hold any text, and the report's attribute for each.
TEXTS = {
    name: name
    for name in FIELDS
    if name not in {"event", "extension", "status", "cause", "duration", "at", "id"}
} | {"id": "key"}
WRONG_TIME = (
    "Must be a time such as 2026-03-01T10:00:00.250Z (with Z or an offset), or seconds "
    "since 1970 such as 1772359200.25."
)
WRONG_CAUSE = "Must be a Q.850 cause: a whole number from 0 to 127."
WRONG_DURATION = "Must be a number of seconds from 0 to 10000000."
CONTROL = "Must not contain control characters or unpaired surrogates."
NO_TEXT = "Must be a string or a number."
TWICE = "Given twice with different values."


def read(**fields: object) -> Report:
    """Return the report of a dial-in at 101 with these fields."""
    return read_report({**EVENT, **fields})[0]


def errors_of(fields: dict[str, object]) -> dict[str, list[str]]:
    """Return the errors of the fields."""
    with pytest.raises(InvalidError) as caught:
        read_report(fields)
    return caught.value.errors


def error_of(name: str, value: object) -> str:
    """Return the error of an invalid value, which must be the only one."""
    errors = errors_of({**EVENT, name: value})
    assert list(errors) == [name]
    [sentence] = errors[name]
    return sentence


@pytest.mark.parametrize(
    ("alias", "name"), [(alias, name) for name, aliases in FIELDS.items() for alias in aliases]
)
def test_every_alias_means_its_field(alias: str, name: str) -> None:
    """An alias gives the same report as the field name."""
    value = {"event": "hangup", "status": "BUSY", "cause": "17", "at": "1772359200.25"}
    fields: dict[str, object] = {**EVENT, name: value.get(name, "102")}
    expected = read_report(fields)
    fields[alias] = fields.pop(name)
    assert read_report(fields) == expected
    assert expected[1] == []


def test_documented_names_exist() -> None:
    """The seventeen documented fields and their short names exist."""
    assert set(FIELDS) == {
        *("event", "extension", "call_id", "leg_id", "peer", "caller_number", "caller_name"),
        *("called_number", "called_did", "caller_extension", "called_extension", "status"),
        *("cause", "duration", "at", "id", "queue"),
    }
    assert FIELDS["extension"] == ("ext",)
    assert (FIELDS["call_id"], FIELDS["leg_id"]) == (("call",), ("leg",))


@pytest.mark.parametrize("name", ["call_id", "call-id", "CallID", "CALL_ID", "callid", "Call Id"])
def test_spelling_of_names_makes_no_difference(name: str) -> None:
    """Case, dashes, underscores and spaces in field names are ignored."""
    assert read(**{name: "c1"}).call_id == "c1"


@pytest.mark.parametrize("event", EventType)
def test_event_by_name_and_code(event: EventType) -> None:
    """Each event has its name in any spelling and its code, as text or number."""
    words = event.slug.split("-")
    spellings = ["-".join(words), "_".join(words), "".join(words), " ".join(words).upper()]
    for spelling in [*spellings, str(event.value), event.value]:
        assert read(event=spelling).event_type is event


def test_codes_are_those_of_voipnow() -> None:
    """The codes 0 to 4 mean dial-in, dial-out, hangup, answer-in, answer-out."""
    slugs = [read(event=code).event_type.slug for code in range(5)]
    assert slugs == ["dial-in", "dial-out", "hangup", "answer-in", "answer-out"]


@pytest.mark.parametrize("value", ["5", "-1", 7, "ring", "dial", "2.0", 2.0, "²", "\u202edial-in"])
def test_unknown_event_is_named(value: object) -> None:
    """An invalid event is quoted in ASCII, with all valid ones."""
    sentence = error_of("event", value)
    assert sentence.startswith(ascii(str(value)) + " is not one of ")
    assert sentence.endswith(
        "dial-in (0), dial-out (1), hangup (2), answer-in (3), answer-out (4)."
    )


def test_missing_fields_are_named_together() -> None:
    """Event and extension are required; all errors are reported together."""
    assert errors_of({"extension": "<unknown>" * 10, "cause": "x"}) == {
        "event": [
            "Missing. Must be one of dial-in (0), dial-out (1), hangup (2), answer-in (3), "
            "answer-out (4)."
        ],
        "extension": ["Must be at most 64 characters (got 90)."],
        "cause": [WRONG_CAUSE],
    }
    assert errors_of({"event": "hangup"}) == {
        "extension": ["Missing. Send the number of the extension."]
    }


def test_extension_is_printable_text() -> None:
    """An extension is printable text of up to 64 characters, without outer spaces."""
    for number in ("0003*210", "101", "Ștefan Vodă", "x" * 64, "日本"):
        assert read(extension=f" {number}\n").extension == number
    assert error_of("extension", "x" * 65) == "Must be at most 64 characters (got 65)."
    for wrong in ("1\x002", "1\t2", "1\u202e2", "1\ud8002", "1\x7f"):
        assert error_of("extension", wrong) == "Must contain only printable characters."


@pytest.mark.parametrize("name", TEXTS)
def test_texts_are_not_changed(name: str) -> None:
    """A text keeps all its valid characters, up to the maximum length."""
    longest = 200 if name == "id" else 255
    for text in ("+40 21", "Ana & 'Söhne' <x>", "日本\u200d🙂", "%2B&=#?", "x" * longest):
        assert getattr(read(**{name: text}), TEXTS[name]) == text


@pytest.mark.parametrize("name", sorted(TEXTS.keys() - {"caller_name"}))
def test_texts_have_limits(name: str) -> None:
    """An identifying text is rejected if it is too long or has control characters or surrogates."""
    longest = 200 if name == "id" else 255
    assert error_of(name, "x" * (longest + 1)) == (
        f"Must be at most {longest} characters (got {longest + 1})."
    )
    for wrong in ("a\x00b", "a\nb", "a\x1bb", "a\x7fb", "a\x85b", "a\ud83d", "\udc00a"):
        assert error_of(name, wrong) == CONTROL


@pytest.mark.parametrize(
    ("given_name", "kept"),
    [
        ("a\x00b", "a b"),
        ("Ana\r\n\tPop\x07", "Ana Pop"),
        ("\x1b\x85", ""),
        ("a\ud83d\udc00b", "ab"),
        ("\x00<unknown>", ""),
        ("x" * 300, "x" * 255),
        ("x" * 254 + "\n\nyz", "x" * 254),
    ],
)
def test_invalid_name_is_repaired(given_name: str, kept: str) -> None:
    """A name, which is display-only, loses invalid characters; the event is accepted."""
    assert read(caller_name=given_name).caller_name == kept


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("value", ["<unknown>", " <unknown> ", "", "  ", None])
def test_unknown_is_empty(name: str, value: object) -> None:
    """Asterisk's <unknown>, JSON's null and an empty text are the same."""
    assert read(**{name: value}) == read()


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("value", [True, False, [], ["x"], {}, {"a": 1}], ids=repr)
def test_values_are_texts_or_numbers(name: str, value: object) -> None:
    """JSON's true, false, arrays and objects are not valid for any field."""
    assert error_of(name, value) == NO_TEXT


def test_numbers_equal_their_texts() -> None:
    """A JSON number has the same meaning as its text."""
    report = read(extension=101, peer=40721, cause=17, duration=12.9, at=1772359200.25)
    assert report == read(
        extension="101", peer="40721", cause="17", duration="12.9", at="1772359200.25"
    )
    assert (report.cause, report.duration_seconds) == (17, 12)


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
@pytest.mark.parametrize("name", FIELDS)
def test_infinite_numbers_are_rejected(name: str, value: float) -> None:
    """A number too large for the JSON parser, which reads it as infinity, is rejected."""
    assert error_of(name, value) == "The number is too large."


def test_status_is_read_in_any_spelling() -> None:
    """Case and dashes in a CallStatus are ignored; ANSWERED is ANSWER."""
    for status in CallStatus:
        assert read(status=status.value.lower()).status is status
    assert read(status="NO ANSWER").status is CallStatus.NOANSWER
    assert read(status="no-answer").status is CallStatus.NOANSWER
    assert read(status="ANSWERED").status is CallStatus.ANSWER
    assert read(status="").status is None
    assert error_of("status", "RINGING" * 10) == (
        "'RINGINGRINGINGRINGINGRINGINGRINGINGRING\\u2026' is not one of CALLING, ANSWER, BUSY, "
        "NOANSWER, CANCEL, CONGESTION, CHANUNAVAIL."
    )


@pytest.mark.parametrize(
    ("value", "cause"), [("0", 0), ("16", 16), ("127", 127), (127, 127), ("017", 17), ("", None)]
)
def test_cause_is_a_number_of_q850(value: object, cause: int | None) -> None:
    """Causes go from 0 to 127; an empty text is None."""
    assert read(cause=value).cause == cause


@pytest.mark.parametrize(
    "value",
    [
        *("128", "-1", "1.5", 17.0, "x", "\uff11\uff17", "²", "0x11", "9" * 5000),
        *("0000000128", "00000099999", "0" * 6 + "9" * 5000),
    ],
)
def test_invalid_cause_is_rejected(value: object) -> None:
    """Any other value is rejected, regardless of leading zeros."""
    assert error_of("cause", value) == WRONG_CAUSE


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("0", 0), ("12", 12), ("12.999", 12), (7, 7), ("10000000", 10_000_000), ("", None)],
)
def test_duration_is_whole_seconds(value: object, seconds: int | None) -> None:
    """Fractions of a second are truncated."""
    assert read(duration=value).duration_seconds == seconds


@pytest.mark.parametrize(
    "value", ["-1", "-0.5", "10000001", "1e3", "00:12", "NaN", "inf", "9" * 400, "\u0661"]
)
def test_invalid_duration_is_rejected(value: str) -> None:
    """Negative, infinite and malformed durations are rejected."""
    assert error_of("duration", value) == WRONG_DURATION


AT = datetime(2026, 3, 1, 10, 0, 0, 250_000, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-01T10:00:00.250Z",
        "2026-03-01T12:00:00.250+02:00",
        "2026-03-01T12:00:00.250+0200",
        "2026-03-01T05:30:00.250-04:30",
        "2026-03-01 10:00:00.250Z",
        # An unencoded plus sign in a query.
        "2026-03-01T12:00:00.250 02:00",
        "2026-03-01T12:00:00.250 0200",
        "1772359200.25",
        "1772359200.250999",
        1772359200.25,
        # Truncated, not rounded.
        "2026-03-01T10:00:00.250999Z",
    ],
)
def test_times_are_read_as_utc_with_milliseconds(text: object) -> None:
    """RFC 3339 with any offset and epoch seconds give the same time, truncated to milliseconds."""
    at = read(at=text).at
    assert at == AT
    assert at is not None
    assert at.tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-01T10:00:00",  # no zone
        "2026-03-01",
        "2026-03-01 10:00",  # not an offset
        "1999-12-31T23:59:59Z",
        "2100-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "2026-02-30T10:00:00Z",
        "1772359200250",  # milliseconds
        "-1772359200",
        "0",
        "9" * 18,
        "yesterday",
        "NaN",
        "1e9",
        "²",
    ],
)
def test_invalid_times_are_rejected(text: str) -> None:
    """Times without a zone, outside this century, or malformed are rejected."""
    assert error_of("at", text) == WRONG_TIME


def test_no_time_is_none() -> None:
    """A report without a time has None."""
    assert read(at="").at is None


@given(
    st.datetimes(
        datetime(2000, 1, 2),  # noqa: DTZ001  # hypothesis wants it without
        datetime(2099, 12, 30),  # noqa: DTZ001
        timezones=st.timezones() | st.just(UTC),
        allow_imaginary=False,
    )
)
def test_rfc3339_round_trip(moment: datetime) -> None:
    """Any time of the century in any zone of whole minutes is read, truncated to milliseconds."""
    offset = moment.utcoffset()
    assert offset is not None
    if offset % timedelta(minutes=1):
        moment = moment.astimezone(UTC)
    assert read(at=moment.isoformat()).at == to_milliseconds(moment.astimezone(UTC))


def test_unknown_fields_are_listed_as_given() -> None:
    """Unknown fields are listed in their original spelling, regardless of their values."""
    _, ignored = read_report({**EVENT, "X-Foo": ["x"], "": 1, "calls": None, "\ud800": "x"})
    assert ignored == ["X-Foo", "", "calls", "\ud800"]


def test_same_value_under_two_names() -> None:
    """Two names of a field are accepted if their values are equal, or one is empty."""
    assert read(ext="101") == read()
    for empty in ("", None, "  "):
        assert read_report({"ext": empty, "event": 0, "extension": "101"})[0] == read()
        assert read_report({"extension": "101", "event": 0, "ext": empty})[0] == read()


def test_different_values_under_two_names() -> None:
    """Two names of a field with different values are rejected."""
    assert errors_of({**EVENT, "ext": "102"}) == {"extension": [TWICE]}
    assert errors_of({"event": "5", "type": "6", "ext": "1"}) == {"event": [TWICE]}


@pytest.mark.parametrize("length", [39, 40, 41, 100])
def test_shortened_texts_are_at_most_forty_characters(length: int) -> None:
    """A long text is truncated with an ellipsis."""
    text = "x" * length
    assert shorten(text) == (text if length <= 40 else "x" * 39 + "…")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
names = st.sampled_from([*FIELDS, *(alias for group in FIELDS.values() for alias in group)])
likely = st.sampled_from(["hangup", 2, "101", "17", "1772359200", "<unknown>", "ANSWER", ""])


@given(st.dictionaries(names | st.text(), likely | json_values, max_size=8))
def test_any_json_is_a_report_or_an_error(fields: dict[str, object]) -> None:
    """Any JSON raises nothing but InvalidError, and accepted values are valid."""
    errors: dict[str, list[str]] = {}
    try:
        report, ignored = read_report(fields)
    except InvalidError as error:
        errors = error.errors
    if errors:
        assert set(errors) <= set(FIELDS)
        assert all(sentence.endswith(".") for group in errors.values() for sentence in group)
        return
    assert 1 <= len(report.extension) <= 64
    assert report.cause is None or 0 <= report.cause <= 127
    assert report.duration_seconds is None or 0 <= report.duration_seconds <= 10_000_000
    for attribute in TEXTS.values():
        text = getattr(report, attribute)
        text.encode()
        assert "\x00" not in text
        assert len(text) <= 255
    assert set(ignored) <= set(fields)


def test_errors_are_in_the_order_of_the_documentation() -> None:
    """However the sender orders its fields, the first error is that of the event."""
    errors = errors_of({"at": "soon", "cause": True, "ext": "1\x00"})
    assert list(errors) == ["event", "extension", "cause", "at"]
