"""Every recorded scenario gives exactly the expected events, in chunks of any size."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callevents.enums import CallFlow, CallStatus, EventType
from callevents.vendors.registry import SOURCES
from tests.support.recorded_streams import (
    EXPECTED,
    EXTENSIONS,
    SCENARIOS,
    expected,
    moment,
    read_messages,
    read_stream,
    replay,
    summarise,
    tell_all,
)


@pytest.mark.parametrize(("source", "name"), SCENARIOS)
def test_each_scenario_gives_exactly_its_events(source: str, name: str) -> None:
    """Types, extensions, peers, causes and answers, in order for each extension."""
    events = replay(source, read_stream(source, name))
    assert summarise(source, events) == expected(source, name)


@pytest.mark.parametrize(("source", "name"), SCENARIOS)
def test_events_have_the_times_of_their_messages(source: str, name: str) -> None:
    """Each event has the time of the PBX's message, to the hundredth of a second."""
    events = replay(source, read_stream(source, name))
    if not events:
        return
    start = moment(source, read_messages(source, name)[0])
    times = sorted(
        (event.report.extension, event.report.event_type.slug, (event.report.at - start))
        for event in events
        if event.report.at
    )
    wanted = sorted(
        (event["extension"], event["event"], event["at"]) for event in EXPECTED[source][name]
    )
    assert [time[:2] for time in times] == [want[:2] for want in wanted]
    for (_, _, passed), (_, _, at) in zip(times, wanted, strict=True):
        assert passed.total_seconds() == pytest.approx(at, abs=0.025)


@pytest.mark.parametrize(("source", "name"), SCENARIOS)
def test_nothing_is_left_when_all_have_hung_up(source: str, name: str) -> None:
    """No leg is remembered after its end, and nothing of a real stream is broken."""
    parser, tracker = SOURCES[source].make_parser(), SOURCES[source].make_tracker(EXTENSIONS)
    for message in parser.feed(read_stream(source, name)):
        tracker.feed(message)
    assert (tracker.running, tracker.dropped) == (0, 0)
    assert (parser.broken, tracker.counts.broken) == (0, 0)


@pytest.mark.parametrize("source", SOURCES)
@given(data=st.data())
def test_the_stream_may_come_in_pieces_of_any_size(source: str, data: st.DataObject) -> None:
    """The size of the received chunks makes no difference."""
    name = next(iter(EXPECTED[source]))
    stream = read_stream(source, name)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=30)))
    parser = SOURCES[source].make_parser()
    messages = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        messages += parser.feed(stream[start:end])
    assert [*messages, *parser.close()] == read_messages(source, name)


@pytest.mark.parametrize(("source", "name"), SCENARIOS)
def test_each_event_is_told_once_for_a_leg(source: str, name: str) -> None:
    """A PBX repeats some messages; if all are repeated, the events stay the same."""
    messages = [message for message in read_messages(source, name) for _ in range(2)]
    assert summarise(source, tell_all(source, messages)) == expected(source, name)


def test_lines_may_end_without_a_carriage_return() -> None:
    """A capture that an editor has saved with other line ends gives the same events."""
    name = "s22_ring_group_dial_two"
    stream = read_stream("asterisk", name).replace(b"\r\n", b"\n")
    assert summarise("asterisk", replay("asterisk", stream)) == expected("asterisk", name)


@pytest.mark.parametrize("has_length", [False, True])
def test_a_freeswitch_capture_may_have_lost_its_frames(*, has_length: bool) -> None:
    """Events as the console shows them: without frames, or each with the length of its body."""
    name = "f22_ring_group_two_users"
    mark = "Content-Length: 5\n" if has_length else ""
    blocks = [
        "".join(f"{key}: {quote(value)}\n" for key, value in message.items()) + mark
        for message in read_messages("freeswitch", name)
    ]
    stream = "\n".join(blocks).encode()
    assert summarise("freeswitch", replay("freeswitch", stream)) == expected("freeswitch", name)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("asterisk", "s10_inbound_trunk_answered_caller_hangs_up"),
        ("freeswitch", "f10_inbound_trunk_answered_caller_hangs_up"),
    ],
)
def test_a_call_from_outside_carries_all_that_is_known_of_it(source: str, name: str) -> None:
    """Caller's number and name, the public number that was called, status, cause, duration."""
    dial_in, answer, hangup = (e.report for e in replay(source, read_stream(source, name)))
    for report in (dial_in, answer, hangup):
        assert (report.caller_number, report.caller_name) == ("0612345678", "Jan Extern")
        assert (report.called_did, report.called_number) == ("5551001", "5551001")
        assert (report.flow, report.extension) == (CallFlow.IN, "101")
        assert (report.call_id, report.leg_id) == (dial_in.call_id, dial_in.leg_id)
        assert report.call_id != report.leg_id
    assert [r.status for r in (dial_in, answer, hangup)] == [
        CallStatus.CALLING,
        CallStatus.ANSWER,
        CallStatus.ANSWER,
    ]
    assert (hangup.cause, hangup.duration_seconds) == (16, 1)
    assert len({r.key for r in (dial_in, answer, hangup)}) == 3


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("asterisk", "s01_internal_answered_caller_hangs_up"),
        ("freeswitch", "f01_internal_answered_caller_hangs_up"),
    ],
)
def test_an_inner_call_carries_both_numbers(source: str, name: str) -> None:
    """Each side has the caller and the number dialed; no public number was called."""
    for event in replay(source, read_stream(source, name)):
        report = event.report
        assert (report.caller_number, report.called_number) == ("101", "102")
        assert report.called_did == ""
        assert report.flow is (CallFlow.OUT if report.extension == "101" else CallFlow.IN)


@pytest.mark.parametrize(
    ("source", "name", "statuses"),
    [
        ("asterisk", "s03_internal_no_answer_timeout", {"101": "NOANSWER", "102": "NOANSWER"}),
        ("asterisk", "s04_internal_busy", {"101": "BUSY", "102": "BUSY"}),
        ("asterisk", "s05_internal_rejected", {"101": "NOANSWER", "102": "NOANSWER"}),
        ("asterisk", "s06_internal_caller_cancels", {"101": "CANCEL", "102": "CANCEL"}),
        ("asterisk", "s22_ring_group_dial_two", {"102": "CANCEL", "103": "ANSWER"}),
        ("asterisk", "s56_callee_503", {"101": "CONGESTION", "102": "CONGESTION"}),
        ("freeswitch", "f03_internal_no_answer_timeout", {"101": "NOANSWER", "102": "NOANSWER"}),
        ("freeswitch", "f04_internal_busy", {"101": "BUSY", "102": "BUSY"}),
        ("freeswitch", "f05_internal_rejected", {"101": "NOANSWER", "102": "NOANSWER"}),
        ("freeswitch", "f06_internal_caller_cancels", {"101": "CANCEL", "102": "CANCEL"}),
        ("freeswitch", "f22_ring_group_two_users", {"102": "CANCEL", "103": "ANSWER"}),
    ],
)
def test_the_status_of_a_hangup_follows_from_its_cause(
    source: str, name: str, statuses: dict[str, str]
) -> None:
    """VoipNow's CallStatus, for each way in which a call may fail."""
    reports = [event.report for event in replay(source, read_stream(source, name))]
    hangups = [report for report in reports if report.event_type is EventType.HANGUP]
    assert {report.extension: report.status for report in hangups} == statuses


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("asterisk", "s14_blind_transfer_by_caller_refer"),
        ("asterisk", "s19_queue_two_members_ringall_local_members"),
        ("asterisk", "s25_forward_by_phone_302"),
        ("asterisk", "s30_pickup_directed"),
        ("freeswitch", "f14_blind_transfer_by_caller_refer"),
        ("freeswitch", "f21_callcenter_caller_abandons"),
        ("freeswitch", "f26_forward_by_pbx_loopback"),
    ],
)
def test_all_legs_of_a_call_share_its_id(source: str, name: str) -> None:
    """Transfers, queues, forwards and pick-ups do not break a call in two."""
    reports = [event.report for event in replay(source, read_stream(source, name))]
    assert len({report.call_id for report in reports}) == 1
    assert len({report.leg_id for report in reports}) == len(
        {report.extension for report in reports}
    )
