"""Conditions in words, as tables, commands and the history have them."""

import pytest

from callevents.conditions import Conditions, Hours, describe
from callevents.conditions.words import describe_days

OFFICE = Hours((1, 2, 3, 4, 5), "09:00", "17:00", "Europe/Bucharest")


@pytest.mark.parametrize(
    ("conditions", "words"),
    [
        (Conditions(), ""),
        (
            Conditions(party="external", answered=False, hours=OFFICE, numbers=("+40*",)),
            "missed external calls, Monday to Friday 09:00 to 17:00 (Europe/Bucharest), "
            "number +40*",
        ),
        (Conditions(directions=("out",), answered=False), "unanswered outgoing calls"),
        (Conditions(directions=("in", "out")), "incoming or outgoing calls"),
        (
            Conditions(answered=True, directions=("in",), party="internal", min_seconds=90),
            "answered incoming internal calls of at least 90 seconds",
        ),
        (Conditions(min_seconds=1), "calls of at least 1 second"),
        (
            Conditions(hours=Hours((6, 7), zone="UTC", is_outside=True), queues=("a", "b")),
            "outside Saturday and Sunday (UTC), queues a, b",
        ),
        (Conditions(dids=("+4021*",)), "called number +4021*"),
    ],
)
def test_words(conditions: Conditions, words: str) -> None:
    """Each condition is there, and nothing else."""
    assert describe(conditions) == words


@pytest.mark.parametrize(
    ("days", "words"),
    [
        ((1, 2, 3, 4, 5, 6, 7), "every day"),
        ((7, 1), "Monday and Sunday"),
        ((6, 7), "Saturday and Sunday"),
        ((1, 3, 4, 5, 7), "Monday, Wednesday to Friday and Sunday"),
        ((3,), "Wednesday"),
        ((5, 4), "Thursday and Friday"),
        ((), ""),
    ],
)
def test_days(days: tuple[int, ...], words: str) -> None:
    """Days in a row are one, if they are more than two."""
    assert describe_days(days) == words


def test_long_lists() -> None:
    """In a table a long list is cut; in the history it is not."""
    conditions = Conditions(numbers=tuple(str(number) for number in range(10)))
    assert describe(conditions, 3) == "numbers 0, 1, 2 and 7 more"
    assert describe(conditions) == "numbers 0, 1, 2, 3, 4, 5, 6, 7, 8, 9"
