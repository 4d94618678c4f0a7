"""Conditions are checked when they are saved: each error names its field and says what to do."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callevents.conditions import Conditions, Hours, describe
from callevents.enums import EventType
from callevents.errors import InvalidError
from callevents.hooks.condition_check import check_conditions

DIAL_IN, HANGUP = EventType.DIAL_IN, EventType.HANGUP
OFFICE = Hours((1, 2, 3, 4, 5), "09:00", "17:00", "Europe/Bucharest")
ONLY_HANGUPS = (
    "Only hangups can have this condition: until the call ends, it is not known whether the "
    "parties talk, and for how long."
)


def problems(conditions: Conditions, event_type: EventType = HANGUP) -> dict[str, list[str]]:
    """Return the errors of the conditions, without the beginning of their fields."""
    with pytest.raises(InvalidError) as caught:
        check_conditions(conditions, event_type)
    errors = caught.value.errors
    return {field.removeprefix("conditions/"): errors[field] for field in errors}


def test_stored_form() -> None:
    """Blanks, empty values and duplicates go; days are sorted, times have two digits."""
    given_hours = Hours((7, 1, 7), " 9:00 ", "17:30", " europe/BUCHAREST ")
    conditions = Conditions(
        *(("in", "in"), "external", False, 0),
        hours=given_hours,
        numbers=(" +40* ", "", "+40*", "112"),
        dids=("", " "),
        queues=("Sales ", "Sales"),
    )
    assert check_conditions(conditions, HANGUP) == Conditions(
        *(("in",), "external", False, 0),
        hours=Hours((1, 7), "09:00", "17:30", "Europe/Bucharest"),
        numbers=("+40*", "112"),
        queues=("Sales",),
    )
    for event_type in EventType:
        assert check_conditions(Conditions(), event_type) == Conditions()


#: Conditions of a hangup, and the errors of each.
INVALID: tuple[tuple[Conditions, dict[str, str]], ...] = (
    (
        Conditions(directions=("in", "up")),
        {"directions": "'up' is not a direction. Write in or out."},
    ),
    (Conditions(party="friend"), {"party": "'friend' is neither internal nor external."}),
    (Conditions(min_seconds=-1), {"min_seconds": "Must be between 0 and 86,400 seconds."}),
    (Conditions(min_seconds=86_401), {"min_seconds": "Must be between 0 and 86,400 seconds."}),
    (
        Conditions(answered=False, min_seconds=5),
        {"min_seconds": "A missed call has no duration. Leave out one of the two conditions."},
    ),
    (Conditions(hours=replace(OFFICE, days=())), {"hours/days": "Choose at least one day."}),
    (
        Conditions(hours=replace(OFFICE, days=(0, 8))),
        {"hours/days": "Days are numbers from 1 (Monday) to 7 (Sunday)."},
    ),
    (
        Conditions(hours=replace(OFFICE, start="24:00", end="5 pm", zone="")),
        {
            "hours/start": "'24:00' is not a time. Write it like 09:00 or 17:30.",
            "hours/end": "'05 pm' is not a time. Write it like 09:00 or 17:30.",
            "hours/zone": "Enter a time zone, such as Europe/Bucharest.",
        },
    ),
    (
        Conditions(hours=replace(OFFICE, zone="Europe/Bukarest")),
        {"hours/zone": "There is no time zone 'Europe/Bukarest'. Did you mean Europe/Bucharest?"},
    ),
    (
        Conditions(hours=replace(OFFICE, zone="../../etc/passwd")),
        {"hours/zone": "There is no time zone '../../etc/passwd'. Write it like Europe/Berlin."},
    ),
    (
        Conditions(numbers=("+40*", "4*0"), dids=("abc",)),
        {
            "numbers": "'4*0' is not a number. Write it like +40721000001, or like +40* for all "
            "that begin with it.",
            "dids": "'abc' is not a number. Write it like +40721000001, or like +40* for all that "
            "begin with it.",
        },
    ),
    (
        Conditions(numbers=tuple(str(number) for number in range(51))),
        {"numbers": "At most 50 values (got 51)."},
    ),
    (
        Conditions(queues=tuple(str(number) for number in range(21))),
        {"queues": "At most 20 values (got 21)."},
    ),
    (
        Conditions(queues=("q" * 101,)),
        {"queues": "The name of a queue must be at most 100 characters."},
    ),
    (
        Conditions(queues=("a\nb",)),
        {"queues": "The name of a queue must not have control characters."},
    ),
)


@pytest.mark.parametrize(("conditions", "errors"), INVALID)
def test_invalid(conditions: Conditions, errors: dict[str, str]) -> None:
    """All invalid fields are named at once."""
    assert problems(conditions) == {field: [message] for field, message in errors.items()}


def test_limits() -> None:
    """The greatest number of values, and the longest ones, are accepted."""
    numbers = tuple(str(number) for number in range(49))
    conditions = Conditions(
        min_seconds=86_400,
        numbers=(*numbers, "+" + "4" * 38 + "*"),
        queues=(*(str(number) for number in range(19)), "q" * 100),
    )
    assert check_conditions(conditions, HANGUP) == conditions


def test_events_that_cannot_meet_them() -> None:
    """Whether and how long the parties talk is known at the end; a dial-in is always incoming."""
    for event_type in set(EventType) - {HANGUP}:
        assert problems(Conditions(answered=True), event_type) == {"answered": [ONLY_HANGUPS]}
        assert problems(Conditions(min_seconds=1), event_type) == {"min_seconds": [ONLY_HANGUPS]}
    assert problems(Conditions(directions=("out",)), DIAL_IN) == {
        "directions": ["Dial-In is always incoming, so nothing would ever be sent."]
    }
    both = Conditions(directions=("in", "out"))
    assert check_conditions(both, DIAL_IN) == both


TEXT = st.text(max_size=200)
LISTS = st.lists(TEXT, max_size=60).map(tuple)
HOURS = st.builds(Hours, st.lists(st.integers(), max_size=9).map(tuple), TEXT, TEXT, TEXT)
ANY = st.builds(Conditions, LISTS, TEXT, st.booleans(), st.integers(), HOURS, LISTS, LISTS, LISTS)


@given(ANY)
def test_anything_is_refused_or_stored(conditions: Any) -> None:
    """Whatever is given is an InvalidError, or is stored, read and said again."""
    try:
        checked = check_conditions(conditions, HANGUP)
    except InvalidError:
        return
    assert Conditions.read(checked.write()) == checked
    assert describe(checked).isprintable()
