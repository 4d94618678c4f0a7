"""The channels that a disconnect has hidden, counted by the numbers in their Uniqueids."""

from tests.vendors.asterisk.simulator import Asterisk, Channel
from tests.vendors.asterisk.test_tracker import call_inside


def cut(pbx: Asterisk) -> None:
    """Lose the connection."""
    pbx.tracker.handle_disconnect()


def test_calls_that_began_and_ended_while_disconnected() -> None:
    """Their numbers are missing after the list and the next new channel; counted once."""
    pbx = Asterisk()
    caller, called = call_inside(pbx, "101", "102")
    cut(pbx)
    pbx.count += 4
    other = Asterisk(count=pbx.count)
    running = call_inside(other, "103", "104")
    pbx.count = other.count
    pbx.list_channels((caller, "Dial", ""), *((one, "Dial", "") for one in (called, *running)))
    assert pbx.tracker.counts.unseen_legs == 0
    pbx.begin("PJSIP/105", "106")
    pbx.begin("PJSIP/106", "s", state="0")
    assert pbx.tracker.counts.unseen_legs == 4
    pbx.list_channels((caller, "Dial", ""))
    pbx.begin("PJSIP/107", "106")
    assert pbx.tracker.counts.unseen_legs == 4


def test_nothing_was_missed() -> None:
    """A disconnect without calls, a channel that begins before the list, a second disconnect."""
    pbx = Asterisk()
    pbx.list_channels()
    call_inside(pbx, "101", "102")
    cut(pbx)
    pbx.begin("PJSIP/103", "104")
    pbx.list_channels()
    cut(pbx)
    pbx.list_channels()
    cut(pbx)
    pbx.list_channels()
    pbx.begin("PJSIP/103", "104")
    assert pbx.tracker.counts.unseen_legs == 0


def test_a_restarted_asterisk_counts_from_0() -> None:
    """The numbers since the restart count; those before it are unknown."""
    pbx = Asterisk(count=50)
    call_inside(pbx, "101", "102")
    cut(pbx)
    pbx.count = 3
    pbx.list_channels()
    pbx.begin("PJSIP/103", "104")
    assert pbx.tracker.counts.unseen_legs == 4


def test_without_a_list_nothing_is_counted() -> None:
    """Running channels would be taken for ended ones; later disconnects compare again."""
    pbx = Asterisk()
    call_inside(pbx, "101", "102")
    cut(pbx)
    pbx.count += 4
    call_inside(pbx, "103", "104")
    cut(pbx)
    pbx.list_channels()
    pbx.begin("PJSIP/103", "104")
    assert pbx.tracker.counts.unseen_legs == 0


def test_ids_of_another_form() -> None:
    """A channel whose Uniqueid the dialler chose uses a number too."""
    pbx = Asterisk()
    call_inside(pbx, "101", "102")
    cut(pbx)
    pbx.list_channels()
    pbx.count += 1
    own = Channel("PJSIP/103-00000001", "my-own-id", "my-own-id", "4", "103", "104")
    pbx.say("Newchannel", **own.fields())
    pbx.begin("PJSIP/105", "104")
    assert pbx.tracker.counts.unseen_legs == 0


def test_ids_of_another_form_are_no_other_numbers() -> None:
    """A number used by such a channel does not lower the share of channels."""
    pbx = Asterisk()
    for count in range(9):
        pbx.begin("PJSIP/101", "102")
        pbx.count += 1
        own = Channel("PJSIP/103-00000001", f"own-{count}", f"own-{count}", "4", "103", "104")
        pbx.say("Newchannel", **own.fields())
    cut(pbx)
    pbx.list_channels()
    pbx.count += 3
    pbx.begin("PJSIP/105", "104")
    assert pbx.tracker.counts.unseen_legs == 3


def test_numbers_that_belong_to_no_channel() -> None:
    """A PBX that uses a third number for each call, as for its record, misses one after a call."""
    pbx = Asterisk()
    for _ in range(9):
        call_inside(pbx, "101", "102")
        pbx.count += 1
    cut(pbx)
    pbx.list_channels()
    call_inside(pbx, "101", "102")
    assert pbx.tracker.counts.unseen_legs == 0
    cut(pbx)
    pbx.count += 1 + 3
    pbx.list_channels()
    call_inside(pbx, "101", "102")
    assert pbx.tracker.counts.unseen_legs == 2


def test_channels_that_are_reported_in_another_order() -> None:
    """Two channels that begin at once use no other numbers."""
    pbx = Asterisk()
    for number in (1, 3, 2, 4):
        uid = f"1800000000.{number}"
        one = Channel(f"PJSIP/101-0000000{number}", uid, uid, "4", "101", "102")
        pbx.say("Newchannel", **one.fields())
    cut(pbx)
    pbx.count = 4 + 2
    pbx.list_channels()
    pbx.begin("PJSIP/103", "104")
    assert pbx.tracker.counts.unseen_legs == 2
