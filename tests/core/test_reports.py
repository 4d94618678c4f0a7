"""Reading a report: names, values, times, and a sentence for everything that is wrong."""

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
    "seconds since 1970 as in 1772359200.25."
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
    """Return what is wrong with the fields."""
    with pytest.raises(InvalidError) as caught:
        read_report(fields)
    return caught.value.errors


def error_of(name: str, value: object) -> str:
    """Return the one sentence about a field with a wrong value, which must be the only one."""
    errors = errors_of({**EVENT, name: value})
    assert list(errors) == [name]
    [sentence] = errors[name]
    return sentence


@pytest.mark.parametrize(
    ("alias", "name"), [(alias, name) for name, aliases in FIELDS.items() for alias in aliases]
)
def test_every_alias_means_its_field(alias: str, name: str) -> None:
    """A field's other names give the same report as its own name."""
    value = {"event": "hangup", "status": "BUSY", "cause": "17", "at": "1772359200.25"}
    fields: dict[str, object] = {**EVENT, name: value.get(name, "102")}
    expected = read_report(fields)
    fields[alias] = fields.pop(name)
    assert read_report(fields) == expected
    assert expected[1] == []


def test_documented_names_exist() -> None:
    """The sixteen documented fields and their documented short names are all known."""
    assert set(FIELDS) == {
        *("event", "extension", "call_id", "leg_id", "peer", "caller_number", "caller_name"),
        *("called_number", "called_did", "caller_extension", "called_extension", "status"),
        *("cause", "duration", "at", "id"),
    }
    assert FIELDS["extension"] == ("ext",)
    assert (FIELDS["call_id"], FIELDS["leg_id"]) == (("call",), ("leg",))


@pytest.mark.parametrize("name", ["call_id", "call-id", "CallID", "CALL_ID", "callid", "Call Id"])
def test_spelling_of_names_makes_no_difference(name: str) -> None:
    """Case, dashes, underscores and spaces in a field's name do not matter."""
    assert read(**{name: "c1"}).call_id == "c1"


@pytest.mark.parametrize("event", EventType)
def test_event_is_known_by_name_alias_and_code(event: EventType) -> None:
    """Each event is known by its name in any spelling and by its code, as text or number."""
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
    """An event that does not exist is named in ASCII, with all that exist."""
    sentence = error_of("event", value)
    assert sentence.startswith(ascii(str(value)) + " is not one of ")
    assert sentence.endswith(
        "dial-in (0), dial-out (1), hangup (2), answer-in (3), answer-out (4)."
    )


def test_missing_fields_are_named_together() -> None:
    """Event and extension are needed; both sentences come at once, with all other ones."""
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


def test_extension_takes_any_printable_text() -> None:
    """An extension is any printable text up to 64 characters, without spaces around it."""
    for number in ("0003*210", "101", "Ștefan Vodă", "x" * 64, "日本"):
        assert read(extension=f" {number}\n").extension == number
    assert error_of("extension", "x" * 65) == "Must be at most 64 characters (got 65)."
    for wrong in ("1\x002", "1\t2", "1\u202e2", "1\ud8002", "1\x7f"):
        assert error_of("extension", wrong) == "Must contain only printable characters."


@pytest.mark.parametrize("name", TEXTS)
def test_texts_are_kept_as_they_are(name: str) -> None:
    """A text keeps every character that it may have, up to its full length."""
    longest = 200 if name == "id" else 255
    for text in ("+40 21", "Ana & 'Söhne' <x>", "日本\u200d🙂", "%2B&=#?", "x" * longest):
        assert getattr(read(**{name: text}), TEXTS[name]) == text


@pytest.mark.parametrize("name", sorted(TEXTS.keys() - {"caller_name"}))
def test_texts_have_limits(name: str) -> None:
    """What identifies is refused if it is too long or has control or half characters."""
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
def test_no_event_is_lost_for_an_odd_name(given_name: str, kept: str) -> None:
    """A name, which is only shown, loses what cannot be kept; the event is taken all the same."""
    assert read(caller_name=given_name).caller_name == kept


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("value", ["<unknown>", " <unknown> ", "", "  ", None])
def test_unknown_is_nothing(name: str, value: object) -> None:
    """Asterisk's <unknown>, JSON's null and nothing at all are the same."""
    assert read(**{name: value}) == read()


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("value", [True, False, [], ["x"], {}, {"a": 1}], ids=repr)
def test_values_are_texts_or_numbers(name: str, value: object) -> None:
    """JSON's true, false, lists and objects are no values of any field."""
    assert error_of(name, value) == NO_TEXT


def test_numbers_are_taken_as_they_are_written() -> None:
    """JSON numbers mean the same as the texts."""
    report = read(extension=101, peer=40721, cause=17, duration=12.9, at=1772359200.25)
    assert report == read(
        extension="101", peer="40721", cause="17", duration="12.9", at="1772359200.25"
    )
    assert (report.cause, report.duration_seconds) == (17, 12)


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
@pytest.mark.parametrize("name", FIELDS)
def test_infinite_numbers_are_no_values(name: str, value: float) -> None:
    """A number too large for JSON readers, which they take for infinity, is refused."""
    assert error_of(name, value) == "The number is too large."


def test_status_is_read_in_any_spelling() -> None:
    """Every CallStatus is known whatever its case and dashes; ANSWERED is ANSWER."""
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
    """Causes go from 0 to 127; none at all is none."""
    assert read(cause=value).cause == cause


@pytest.mark.parametrize(
    "value",
    [
        *("128", "-1", "1.5", 17.0, "x", "\uff11\uff17", "²", "0x11", "9" * 5000),
        *("0000000128", "00000099999", "0" * 6 + "9" * 5000),
    ],
)
def test_wrong_cause_is_refused(value: object) -> None:
    """Nothing else is a cause, however many zeros it begins with."""
    assert error_of("cause", value) == WRONG_CAUSE


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("0", 0), ("12", 12), ("12.999", 12), (7, 7), ("10000000", 10_000_000), ("", None)],
)
def test_duration_is_whole_seconds(value: object, seconds: int | None) -> None:
    """Fractions of a second are cut."""
    assert read(duration=value).duration_seconds == seconds


@pytest.mark.parametrize(
    "value", ["-1", "-0.5", "10000001", "1e3", "00:12", "NaN", "inf", "9" * 400, "\u0661"]
)
def test_wrong_duration_is_refused(value: str) -> None:
    """Negative, endless and misspelt durations are refused."""
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
        # What an unencoded plus becomes in a query.
        "2026-03-01T12:00:00.250 02:00",
        "2026-03-01T12:00:00.250 0200",
        "1772359200.25",
        "1772359200.250999",
        1772359200.25,
        # Cut and not rounded.
        "2026-03-01T10:00:00.250999Z",
    ],
)
def test_times_are_read_as_utc_with_milliseconds(text: object) -> None:
    """RFC 3339 with any offset and epoch seconds give the same moment, cut to milliseconds."""
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
def test_wrong_times_are_refused(text: str) -> None:
    """Times without a zone, out of this century, or not to be understood are refused."""
    assert error_of("at", text) == WRONG_TIME


def test_no_time_is_none() -> None:
    """A report without a time has none; when it happened is for others to say."""
    assert read(at="").at is None


@given(
    st.datetimes(
        datetime(2000, 1, 2),  # noqa: DTZ001  # hypothesis wants it without
        datetime(2099, 12, 30),  # noqa: DTZ001
        timezones=st.timezones() | st.just(UTC),
        allow_imaginary=False,
    )
)
def test_every_rfc3339_time_is_read_back(moment: datetime) -> None:
    """Any moment of the century in any zone of whole minutes comes back, cut to milliseconds."""
    offset = moment.utcoffset()
    assert offset is not None
    if offset % timedelta(minutes=1):
        moment = moment.astimezone(UTC)
    assert read(at=moment.isoformat()).at == to_milliseconds(moment.astimezone(UTC))


def test_unknown_fields_are_listed_as_given() -> None:
    """Fields that mean nothing are told, spelt as they came, whatever their values are."""
    _, ignored = read_report({**EVENT, "X-Foo": ["x"], "": 1, "calls": None, "\ud800": "x"})
    assert ignored == ["X-Foo", "", "calls", "\ud800"]


def test_same_value_under_two_names_is_one() -> None:
    """A field under two names counts once if both say the same, or one says nothing."""
    assert read(ext="101") == read()
    for empty in ("", None, "  "):
        assert read_report({"ext": empty, "event": 0, "extension": "101"})[0] == read()
        assert read_report({"extension": "101", "event": 0, "ext": empty})[0] == read()


def test_different_values_under_two_names_are_refused() -> None:
    """Where two names of a field say different things, nobody can tell which is right."""
    assert errors_of({**EVENT, "ext": "102"}) == {"extension": [TWICE]}
    assert errors_of({"event": "5", "type": "6", "ext": "1"}) == {"event": [TWICE]}


@pytest.mark.parametrize("length", [39, 40, 41, 100])
def test_shortened_texts_are_at_most_forty_characters(length: int) -> None:
    """A text that fits stays; a longer one ends with an ellipsis."""
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
def test_whatever_comes_is_a_report_or_sentences(fields: dict[str, object]) -> None:
    """Nothing that JSON can hold raises anything but InvalidError, and what passes is clean."""
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
