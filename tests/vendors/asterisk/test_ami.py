"""Messages of AMI streams: of old and new Asterisks, and with what is not Asterisk's in them."""

import re

import pytest

from callevents.vendors.asterisk.ami import AmiParser
from callevents.vendors.asterisk.block import MAX_FOREIGN_CHARACTERS
from callevents.vendors.tracking.fields import Message
from tests.support.recorded_streams import (
    expected,
    read_messages,
    read_stream,
    replay,
    summarise,
)

NAME = "s01_internal_answered_caller_hangs_up"
STREAM = read_stream("asterisk", NAME)
#: Fields that only newer Asterisks write, or only with some setting.
LATER_FIELDS = ("Language", "Linkedid", "Timestamp", "SystemName")


def read(*texts: str | bytes) -> tuple[list[Message], AmiParser]:
    """Return the messages of a stream that comes in these chunks, and the parser."""
    parser, messages = AmiParser(), []
    for text in texts:
        messages += parser.feed(text if isinstance(text, bytes) else text.encode())
    return messages, parser


def without(*names: str) -> bytes:
    """Return the stream of a call without these fields."""
    return re.sub(rf"(?m)^(Dest)?({'|'.join(names)}): .*\r\n".encode(), b"", STREAM)


@pytest.mark.parametrize(
    "stream",
    [
        without("Timestamp"),
        without("SystemName"),
        without("Linkedid"),
        without(*LATER_FIELDS),
        STREAM.replace(b"\r\n", b"\n"),
        re.sub(rb"(?m)^(Timestamp: .*\r\n)", rb"\1SequenceNumber: 7\r\nFile: x.c\r\n", STREAM),
        re.sub(rb"(?m)^(Linkedid: .*\r\n)", rb"\1Tenantid: a\r\nChanVariable: X=1\r\n", STREAM),
        re.sub(rb"(?m): \r\n", rb":\r\n", STREAM),
        STREAM.replace(b"PJSIP/", b"SIP/"),
    ],
    ids=[
        *("timestampevents=no", "no system name", "Asterisk 13.4", "Asterisk 13.0"),
        *("saved with line feeds", "debug=on", "Asterisk 22 and channelvars"),
        *("saved without trailing spaces", "chan_sip"),
    ],
)
def test_streams_of_other_asterisks(stream: bytes) -> None:
    """Fields that are missing or added, as in Asterisk's source, change no event."""
    assert stream != STREAM
    assert summarise("asterisk", replay("asterisk", stream)) == expected("asterisk", NAME)
    messages, parser = read(stream)
    assert (len(messages), parser.broken, parser.forged) == (len(whole()), 0, 0)


def whole() -> list[Message]:
    """Return the messages of the unchanged stream."""
    return read_messages("asterisk", NAME)


def test_the_kinds_of_messages() -> None:
    """Events, events that answer an action, and responses; the banner is none."""
    messages, parser = read(
        "Asterisk Call Manager/9.0.0\r\n"
        "Response: Success\r\nActionID: 1\r\n\r\n"
        "Event: PeerEntry\r\nActionID: 2\r\nObjectName: 101\r\n\r\n"
        "Event: PeerlistComplete\r\nEventList: Complete\r\nActionID: 2\r\n\r\n"
        "Event: FullyBooted\r\nPrivilege: system,all\r\n\r\n"
    )
    kinds = ["Success", "PeerEntry", "PeerlistComplete", "FullyBooted"]
    assert [next(iter(message.values())) for message in messages] == kinds
    assert (parser.broken, parser.forged) == (0, 0)


@pytest.mark.parametrize(
    "text",
    [
        "Event: Hangup\r\nUniqueid: 1.1\r\nCause: 17\r\n\r\n",
        "Event: Hangup\r\nPrivilege: call,all\r\nUniqueid: 1.1\r\nCause: 17\r\n\r\n",
        "Event: Hangup\r\nPrivilege: call,all\r\nTimestamp: 1.5\r\nChannel: PJSIP/101-0000002a\r\n"
        "Uniqueid: 1.1\r\nCause: 17\r\nCause-txt: x\r\n\r\n",
        "Event: Newstate\r\nPrivilege: call,all\r\nChannelState: 6\r\nUniqueid: 1.1\r\n\r\n",
        "Cause: 17\r\nCause-txt: x\r\n\r\n",
        "Event: A\r\nUniqueid: 1.1\r\n\r\n",
        "Event: A\r\n\r\n",
    ],
)
def test_what_asterisk_would_not_write_is_left_out(text: str) -> None:
    """Between two messages: it is counted, and what follows is read."""
    messages, parser = read(STREAM, text, STREAM)
    assert messages == [*whole(), *whole()]
    assert (parser.forged, parser.broken) == (1, 0)


def test_a_number_is_its_first_line() -> None:
    """What follows it in the same field counts neither as a message nor as the number."""
    name = "n02_caller_number_forges_hangup"
    messages, parser = read(read_stream("asterisk", name))
    assert {message.get("CallerIDNum") for message in messages} == {None, "101", "102", "103", "6"}
    assert not [message for message in messages if message.get("Cause") == "17"]
    assert parser.forged == 23
    assert parser.broken == 0


def test_a_message_without_its_end_does_not_hide_the_next_ones() -> None:
    """If a part of the stream is missing, whole messages after it are read."""
    first = STREAM.index(b"ConnectedLineNum")
    messages, parser = read(STREAM[:first], b"\r\n", STREAM)
    assert messages == whole()
    assert parser.forged == 1


def test_a_message_without_its_last_field_is_left_out() -> None:
    """Whole messages that follow it are no part of it."""
    stream = STREAM.replace(b"DialStatus: ANSWER\r\n", b"")
    messages, parser = read(stream)
    assert messages == [message for message in whole() if message.get("DialStatus") != "ANSWER"]
    assert parser.forged == 1


def test_a_dialed_text_describes_no_channel() -> None:
    """After the last field of a message there may be text, but no channel begins in it."""
    more = b"DialString: 102\r\nXChannel: PJSIP/a\r\nXChannelState: 6\r\nUniqueid: 1.1\r\n"
    stream = STREAM.replace(b"DialString: 102\r\n", more)
    messages, _ = read(stream)
    assert stream != STREAM
    assert [one.get("Uniqueid") for one in messages] == [one.get("Uniqueid") for one in whole()]
    assert summarise("asterisk", replay("asterisk", stream)) == expected("asterisk", NAME)


def test_a_text_that_never_ends_is_given_up() -> None:
    """A block that is longer than any number is dropped."""
    first = STREAM.index(b"CallerIDName")
    long = b"x\r\n" * MAX_FOREIGN_CHARACTERS
    messages, parser = read(STREAM[:first], long, b"\r\n", STREAM)
    assert messages == whole()
    assert parser.forged == 1


def test_a_time_counts_only_where_asterisk_writes_it() -> None:
    """A number cannot say when its call was."""
    head = b"Event: A\r\nPrivilege: call,all\r\n"
    messages, _ = read(head + b"B: 1\r\nTimestamp: 4000000000\r\n\r\n")
    assert messages == [{"Event": "A", "Privilege": "call,all", "B": "1"}]


def test_the_first_line_tells_how_lines_end() -> None:
    """After a carriage return in the first, a line feed alone is part of a value."""
    messages, _ = read("Response: Success\r\nMessage: a\nResponse: Error\r\n\r\n")
    assert messages == [{"Response": "Success", "Message": "a"}]
