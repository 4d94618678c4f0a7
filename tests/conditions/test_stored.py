"""Conditions are stored as they are, and numbers compared by their digits."""

import phonenumbers
import pytest

from callevents.conditions import Conditions, Hours
from callevents.conditions.numbers import is_pattern, matches

FULL = Conditions(
    directions=("in",),
    party="external",
    answered=False,
    min_seconds=3,
    hours=Hours((1, 7), "22:00", "06:00", "Europe/Bucharest", is_outside=True),
    numbers=("+40*", "112"),
    dids=("021*",),
    queues=("Vânzări",),
)


def test_stored_and_read() -> None:
    """What is stored is read again; without conditions nothing is stored."""
    assert Conditions.read(FULL.write()) == FULL
    assert (Conditions().write(), Conditions.read("")) == ("", Conditions())
    assert (bool(FULL), bool(Conditions())) == (True, False)
    missed = Conditions(answered=False)
    assert missed
    assert Conditions.read(missed.write()) == missed


def to_e164(text: str) -> str:
    """Return the number in international format, as dialed in Romania."""
    try:
        number = phonenumbers.parse(text, "RO")
    except phonenumbers.NumberParseException:
        return text
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


@pytest.mark.parametrize(
    ("number", "pattern", "plain", "planned"),
    [
        ("+40 (721) 000-001", "+40721000001", True, True),
        ("+40721000001", "+40 721.000.001", True, True),
        ("0721000001", "+40721000001", False, True),
        ("0721000001", "+40*", False, True),
        ("0040721000001", "+40*", False, True),
        ("0721000001", "0721*", True, True),
        ("+40721000001", "0721000001", False, True),
        ("40721000001", "+40721000001", False, True),
        ("+4072", "+407*", True, True),
        ("+40721000001", "+4072100000", False, False),
        ("+40721000001", "721*", False, False),
        ("anonymous", "+*", False, False),
        ("", "0*", False, False),
        ("*97", "97", False, False),
        ("sip:+40721000001@example.com", "+40*", False, False),
    ],
)
def test_numbers(number: str, pattern: str, plain: bool, planned: bool) -> None:
    """Digits and the `+` count, and with a number plan also the international format."""
    assert matches(number, (pattern,), str) is plain
    assert matches(number, (pattern,), to_e164) is planned


def test_patterns() -> None:
    """A number, or the beginning of one with a `*` at its end."""
    for text in ("+40*", "112", "0 721 000 001", "#31#0721", "00*"):
        assert is_pattern(text), text
    for text in ("*", "", "+", "+*", "4*0", "40**", "abc", "+40?", "٣٤", "1,2", "40\n*x"):
        assert not is_pattern(text), text
