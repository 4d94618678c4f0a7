"""After a lost connection: running calls are adopted without events, ended ones are hung up."""

import json
from datetime import timedelta
from itertools import pairwise

import pytest

from callevents.enums import CallStatus, EventType
from callevents.vendors.freeswitch.esl import BODY
from callevents.vendors.registry import SOURCES
from tests.support.recorded_streams import EXPECTED, EXTENSIONS, read_messages, tell_all
from tests.vendors.asterisk.simulator import Asterisk
from tests.vendors.asterisk.test_tracker import call_from_outside, call_inside
from tests.vendors.freeswitch.simulator import Channel as EslChannel
from tests.vendors.freeswitch.simulator import Freeswitch


def test_calls_that_run_are_taken_over_silently() -> None:
    """A listener that starts during a call sends only new events."""
    before, now = Asterisk(), Asterisk()
    trunk, talking = call_from_outside(before)
    caller, ringing = call_inside(before, "103", "102")
    now.list_channels(
        (trunk, "Dial", "b1"),
        (talking, "AppDial", "b1"),
        (caller, "Dial", ""),
        (ringing, "AppDial", ""),
    )
    assert (now.take_events(), now.tracker.running) == ([], 4)
    now.answer(caller, ringing)
    now.hang_up(talking, trunk, ringing, caller)
    assert now.take_events() == [
        "102 answer-in 103",
        "103 answer-out 102",
        "101 hangup 0612345678 16 answered",
        "102 hangup 103 16 answered",
        "103 hangup 102 16 answered",
    ]


def test_a_phone_in_voicemail_has_called_nobody() -> None:
    """A phone adopted during voicemail may call another one later."""
    pbx = Asterisk()
    other = Asterisk()
    phone = other.begin("PJSIP/101", "*97")
    phone.state = "6"
    pbx.list_channels((phone, "VoiceMailMain", ""))
    pbx.hang_up(phone)
    assert pbx.take_events() == []


def test_what_ended_meanwhile_is_hung_up() -> None:
    """The hangup is sent once; how the call ended is unknown."""
    pbx = Asterisk()
    trunk, phone = call_from_outside(pbx)
    caller, called = call_inside(pbx, "103", "102")
    pbx.take_events()
    pbx.tracker.handle_disconnect()
    pbx.wait(60)
    pbx.list_channels((caller, "Dial", ""), (called, "AppDial", ""))
    assert pbx.take_events() == ["101 hangup 0612345678 None answered"]
    pbx.hang_up(phone, trunk)
    pbx.list_channels((caller, "Dial", ""), (called, "AppDial", ""))
    assert pbx.take_events() == []
    assert pbx.tracker.running == 2


def test_answers_that_were_missed_are_sent_late() -> None:
    """A call that rang before the disconnect and is up after it has been answered, once.

    A transfer that is answered afterwards is not the answer of the first call. The duration is
    unknown, because the time of the answer is.
    """
    pbx = Asterisk()
    caller, called = call_inside(pbx, "101", "102")
    pbx.take_events()
    pbx.tracker.handle_disconnect()
    caller.state = called.state = "6"
    for _ in range(2):
        pbx.list_channels((caller, "Dial", "b1"), (called, "AppDial", "b1"))
        pbx.tracker.handle_disconnect()
    late = {event.report.event_type: event.report.is_late for event in pbx.events}
    assert late == {EventType.ANSWER_OUT: True, EventType.ANSWER_IN: True}
    pbx.list_channels((caller, "Dial", "b1"), (called, "AppDial", "b1"))
    pbx.hang_up(called)
    target = pbx.begin("PJSIP/trunk", "s", state="0", parent=caller)
    pbx.dial(caller, target)
    pbx.answer(caller, target)
    pbx.hang_up(target, caller)
    hangups = [event.report for event in pbx.events[2:]]
    assert [(one.is_late, one.duration_seconds) for one in hangups] == [(False, None)] * 2
    assert pbx.take_events() == [
        "101 answer-out 102",
        "102 answer-in 101",
        "102 hangup 101 16 answered",
        "101 hangup 102 16 answered",
    ]


@pytest.mark.parametrize(
    ("application", "bridge"),
    [("Dial", ""), ("VoiceMail", ""), ("ConfBridge", "b1"), ("Park", "b1")],
)
def test_a_caller_that_is_up_has_not_been_answered(application: str, bridge: str) -> None:
    """An announcement, voicemail, a conference or a parking lot is no answer of the called one."""
    pbx = Asterisk()
    caller, _called = call_inside(pbx, "101", "102")
    pbx.take_events()
    pbx.tracker.handle_disconnect()
    caller.state = "6"
    pbx.list_channels((caller, application, bridge))
    assert [words for words in pbx.take_events() if "answer" in words.split()[1]] == []


def test_a_hangup_that_nobody_saw_has_no_duration() -> None:
    """It is late: when the call ended is unknown, so the time until the reconnect does not count.

    Whether a ringing call was answered before it ended is unknown too.
    """
    pbx = Asterisk()
    call_from_outside(pbx)
    call_inside(pbx, "103", "102")
    pbx.events.clear()
    pbx.tracker.handle_disconnect()
    pbx.wait(600)
    pbx.list_channels()
    ends = {one.report.extension: one.report for one in pbx.events}
    assert {
        number: (one.is_late, one.status, one.duration_seconds) for number, one in ends.items()
    } == {
        "101": (True, CallStatus.ANSWER, None),
        "102": (True, None, None),
        "103": (True, None, None),
    }


def test_what_was_on_its_way_when_the_list_was_made_is_told() -> None:
    """The list may already show a state that the stream reports only afterwards."""
    pbx, other = Asterisk(), Asterisk()
    caller = other.begin("PJSIP/101", "102")
    called = other.begin("PJSIP/102", "s", state="0", parent=caller)
    pbx.list_channels((caller, "Dial", ""), (called, "AppDial", ""))
    pbx.dial(caller, called)
    assert pbx.take_events() == ["101 dial-out 102", "102 dial-in 101"]
    pbx.tracker.handle_disconnect()
    caller.state = called.state = "6"
    pbx.list_channels((caller, "Dial", "b1"), (called, "AppDial", "b1"))
    pbx.end_dial(caller, called)
    assert pbx.take_events() == ["101 answer-out 102", "102 answer-in 101"]


def test_what_the_stream_has_told_counts_more_than_the_list() -> None:
    """The stream continues during the list: calls that began meanwhile are not hung up.

    What ended since is not taken over, and what is named before its own beginning is followed.
    """
    pbx = Asterisk()
    ended = pbx.begin("PJSIP/104", "s", state="0")
    pbx.hang_up(ended)
    pbx.tracker.handle_disconnect()
    caller, called = call_inside(pbx, "101", "102")
    early = Asterisk(count=50)
    third = early.begin("PJSIP/103", "s", state="0", parent=caller)
    pbx.list_channels((ended, "AppDial", ""), (third, "AppDial", ""))
    assert pbx.tracker.running == 3
    pbx.say("Newchannel", **third.fields())
    pbx.dial(caller, third)
    pbx.hang_up(third, called, caller, cause=0)
    assert [words.split()[:2] for words in pbx.take_events()] == [
        ["101", "dial-out"],
        ["102", "dial-in"],
        ["103", "dial-in"],
        ["103", "hangup"],
        ["102", "hangup"],
        ["101", "hangup"],
    ]


def test_a_list_says_nothing_new_of_what_is_followed() -> None:
    """A call whose beginning was seen goes by the stream alone, whatever a list shows of it."""
    pbx = Asterisk()
    caller = pbx.begin("PJSIP/101", "102")
    pbx.list_channels((caller, "Dial", ""))
    called = pbx.begin("PJSIP/102", "s", state="0", parent=caller)
    pbx.dial(caller, called)
    assert pbx.take_events() == ["101 dial-out 102", "102 dial-in 101"]


def test_a_click_that_rings_is_taken_over_as_the_callers() -> None:
    """The caller's phone in a click-to-call is not a called one, also when found in a list."""
    pbx, other = Asterisk(), Asterisk()
    own = other.begin("PJSIP/101", "s", state="0")
    own.state = "5"
    pbx.list_channels((own, "AppDial2", ""))
    called = other.begin("PJSIP/102", "s", state="0", parent=own)
    pbx.say("Newchannel", **called.fields())
    pbx.dial(own, called, exten="102")
    assert pbx.take_events() == ["101 dial-out 102", "102 dial-in 101"]


def list_rows(*channels: tuple[EslChannel, str]) -> dict[str, str]:
    """Return the answer to `show channels as json`."""
    rows = [
        {
            "uuid": channel.uid,
            "direction": channel.direction,
            "name": channel.name,
            "cid_num": channel.number,
            "dest": channel.dialled,
            "presence_id": channel.presence,
            "call_uuid": channel.parent.uid if channel.parent else channel.uid,
            "callstate": state,
        }
        for channel, state in channels
    ]
    body = {"row_count": len(rows), "rows": rows} if rows else {"row_count": 0}
    return {"Content-Type": "api/response", BODY: json.dumps(body)}


def test_freeswitch_calls_that_run_are_taken_over_silently() -> None:
    """A listener that starts during a call sends only new events."""
    before, now = Freeswitch(), Freeswitch()
    trunk = before.trunk_calls()
    talking = before.call("101", trunk)
    caller = before.phone_calls("103", "102")
    ringing = before.call("102", caller)
    talking.is_answered = ringing.is_answered = True
    echo, own = before.phone_calls("104", "9196"), before.call("105")
    rows = [(trunk, "ACTIVE"), (talking, "ACTIVE"), (caller, "RING_WAIT"), (ringing, "RINGING")]
    assert now.tracker.feed(list_rows(*rows, (echo, "ACTIVE"), (own, "RINGING"))) == []
    now.answer(ringing)
    now.hang_up(talking, trunk, ringing, caller, echo, own)
    assert now.take_events() == [
        "102 answer-in 103",
        "103 answer-out 102",
        "101 hangup 0612345678 16 answered",
        "102 hangup 103 16 answered",
        "103 hangup 102 16 answered",
    ]


def test_a_transfer_after_taking_over_is_no_new_call() -> None:
    """Earlier dial-outs and answers are assumed; a transfer's leg changes nothing."""
    before, now = Freeswitch(), Freeswitch(count=50)
    caller = before.phone_calls("103", "102")
    called = before.call("102", caller)
    now.tracker.feed(list_rows((caller, "ACTIVE"), (called, "ACTIVE")))
    now.hang_up(called)
    target = now.call("104", caller)
    now.answer(target)
    assert now.take_events() == [
        "102 hangup 103 16 answered",
        "104 dial-in 103",
        "104 answer-in 103",
    ]


def test_what_a_freeswitch_has_told_counts_more_than_its_list() -> None:
    """Ended legs are not adopted again; a leg listed before it begins is followed."""
    pbx, early = Freeswitch(), Freeswitch(count=50)
    caller = pbx.phone_calls("101", "102")
    pbx.hang_up(ended := pbx.call("102", caller))
    pbx.take_events()
    third = early.call("103", caller)
    pbx.tracker.feed(list_rows((ended, "RINGING"), (third, "RINGING")))
    assert pbx.tracker.running == 2
    pbx.begin(third)
    assert pbx.take_events() == ["103 dial-in 101"]


def test_freeswitch_calls_that_ended_meanwhile_are_hung_up() -> None:
    """They are sent once, even if their end arrives later; running legs are kept."""
    pbx = Freeswitch()
    trunk = pbx.trunk_calls()
    phone = pbx.call("101", trunk)
    caller = pbx.phone_calls("103", "102")
    called = pbx.call("102", caller)
    pbx.take_events()
    pbx.tracker.handle_disconnect()
    pbx.events += pbx.tracker.feed(list_rows((caller, "ACTIVE"), (called, "ACTIVE")))
    late = [event.report.is_late for event in pbx.events]
    assert (pbx.take_events(), late) == (
        [
            "101 hangup 0612345678 None unanswered",
            "103 answer-out 102",
            "102 answer-in 103",
        ],
        [True] * 3,
    )
    pbx.hang_up(phone, trunk)
    assert (pbx.take_events(), pbx.tracker.running) == ([], 2)
    pbx.tracker.handle_disconnect()
    pbx.events += pbx.tracker.feed(list_rows())
    assert sorted(pbx.take_events()) == [
        "102 hangup 103 None answered",
        "103 hangup 102 None answered",
    ]


@pytest.mark.parametrize("body", ["", "+OK", "{", "[]", '{"row_count": 1, "rows": 3}', "[" * 10**6])
def test_other_answers_are_no_list(body: str) -> None:
    """Another reply than that of `show channels as json` adopts nothing and ends nothing."""
    pbx = Freeswitch()
    pbx.call("101", pbx.trunk_calls())
    pbx.tracker.handle_disconnect()
    assert pbx.tracker.feed({"Content-Type": "api/response", BODY: body}) == []
    assert pbx.tracker.running == 2


@pytest.mark.parametrize("source", SOURCES)
def test_a_short_cut_invents_nothing(source: str) -> None:
    """Cut and restored anywhere, with the true list: no event twice, no event invented."""
    for name in EXPECTED[source]:
        messages = read_messages(source, name)
        whole = tell_all(source, messages)
        for cut in range(0, len(messages), 7):
            tracker = SOURCES[source].make_tracker(EXTENSIONS)
            events = [event for message in messages[:cut] for event in tracker.feed(message)]
            tracker.handle_disconnect()
            events += tracker.adopt(running_rows(source, messages[:cut]))
            events += [event for message in messages[cut:] for event in tracker.feed(message)]
            assert [event.report for event in events] == [event.report for event in whole]


def running_rows(source: str, messages: list[dict[str, str]]) -> list[dict[str, str]]:
    """Return the list of the channels that run after these messages."""
    names = {
        "asterisk": ("Uniqueid", "Event", "Newchannel", "Hangup"),
        "freeswitch": ("Unique-ID", "Event-Name", "CHANNEL_CREATE", "CHANNEL_HANGUP_COMPLETE"),
    }
    uid, kind, begin, end = names[source]
    rows: dict[str, dict[str, str]] = {}
    for message in messages:
        if message.get(kind) == begin:
            rows[message[uid]] = {"uuid": message[uid], **message}
        elif message.get(kind) == end:
            rows.pop(message[uid], None)
    return list(rows.values())


def test_a_leg_that_never_ends_is_dropped_after_a_day() -> None:
    """By the messages' time; a single message with a wrong time ends nothing."""
    pbx = Asterisk()
    _, phone = call_from_outside(pbx)
    pbx.wait(timedelta(hours=23).total_seconds())
    pbx.say("FullyBooted")
    pbx.clock += 10**6
    pbx.say("FullyBooted")
    pbx.clock -= 10**6
    pbx.say("FullyBooted")
    assert (pbx.tracker.running, pbx.tracker.dropped) == (2, 0)
    pbx.say("NewConnectedLine", **phone.fields())
    pbx.wait(timedelta(hours=2).total_seconds())
    for _ in range(2):
        pbx.say("FullyBooted")
    assert (pbx.tracker.running, pbx.tracker.dropped) == (1, 1)
    pbx.wait(timedelta(hours=23).total_seconds())
    for _ in range(2):
        pbx.say("FullyBooted")
    assert (pbx.tracker.running, pbx.tracker.dropped) == (0, 2)
    pbx.take_events()
    pbx.hang_up(phone)
    assert pbx.take_events() == []


def test_a_clock_that_was_put_back_keeps_the_calls() -> None:
    """Calls go on when the PBX's clock was years ahead and is mended; then a day counts again."""
    pbx = Freeswitch(clock=1_900_000_000.0)
    pbx.call("101", pbx.trunk_calls())
    pbx.clock = 1_800_000_000.0
    for _ in range(3):
        pbx.say("HEARTBEAT")
    assert pbx.tracker.running == 2
    pbx.wait(timedelta(days=2).total_seconds())
    for _ in range(2):
        pbx.say("HEARTBEAT")
    assert (pbx.tracker.running, pbx.tracker.dropped) == (0, 2)


def test_events_keep_their_order_in_time() -> None:
    """Within one stream, no event comes before an earlier one."""
    for source in SOURCES:
        for name in EXPECTED[source]:
            messages = read_messages(source, name)
            times = [event.report.at for event in tell_all(source, messages)]
            assert all(a and b and a <= b for a, b in pairwise(times))
