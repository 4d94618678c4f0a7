"""The verdict's counters, on made-up runs: each kind of failure is counted."""

import pytest

from tests.faults.calls import Reported
from tests.faults.receivers import Note
from tests.faults.verdict import Verdict, judge

STORY = ("dial-in", "answer-in", "hangup")


def tell(*arrived: str, in_flight: tuple[str, ...] = ()) -> Verdict:
    """Judge a call of which three events were acknowledged, and these arrived, in this order.

    An event's delivery has its name, or what stands after a colon.
    """
    reported = Reported({("c1", event): 0.0 for event in STORY})
    notes = []
    for at, text in enumerate(arrived):
        event, _, delivery = text.partition(":")
        notes.append(Note(float(at), "c1", event, delivery or event))
    verdict = Verdict("story")
    verdict.in_flight.update(in_flight)
    judge(verdict, reported, notes)
    return verdict


def test_good_story() -> None:
    """Each event once and in order is good."""
    verdict = tell(*STORY)
    assert verdict.is_good
    assert (verdict.acknowledged, verdict.delivered) == (3, 3)


@pytest.mark.parametrize(
    ("arrived", "count"),
    [
        (("dial-in", "answer-in"), "lost"),
        (("dial-in", "answer-in", "hangup", "hangup:other"), "doubled"),
        (("dial-in", "answer-in", "answer-in", "hangup"), "unexcused"),
        (("dial-in", "hangup", "answer-in"), "out_of_order"),
        (("answer-in", "dial-in", "hangup"), "out_of_order"),
    ],
)
def test_bad_story(arrived: tuple[str, ...], count: str) -> None:
    """Each kind of failure is counted once, and is not good."""
    verdict = tell(*arrived)
    assert getattr(verdict, count) == 1
    assert not verdict.is_good


def test_duplicates_of_what_was_in_flight() -> None:
    """A delivery may arrive once more for each fault at which it was in flight, also late."""
    arrived = ("dial-in", "answer-in", "dial-in", "hangup")
    assert tell(*arrived, in_flight=("dial-in",)).is_good
    verdict = tell(*arrived, "dial-in", in_flight=("dial-in",))
    assert (verdict.duplicates, verdict.unexcused, verdict.out_of_order) == (2, 1, 0)
    assert not verdict.is_good


def test_complaint() -> None:
    """Any other problem fails the loop."""
    verdict = tell(*STORY)
    verdict.complaints.append("something")
    assert not verdict.is_good
