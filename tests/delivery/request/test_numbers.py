"""Numbers in E.164 by the rules of a PBX."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callevents.db.models import Pbx
from callevents.delivery.request.numbers import NumberPlan

ROMANIA = NumberPlan("RO", outside_prefix="9", internal_lengths=frozenset({3, 4}))
GERMANY = NumberPlan("DE", outside_prefix="0", internal_lengths=frozenset({2}))
AMERICA = NumberPlan("US", outside_prefix="9", trunk_prefix="77")
#: A trunk whose prefix begins with the digit that is dialed before outside numbers.
ALIKE = NumberPlan("RO", outside_prefix="9", trunk_prefix="99")


@pytest.mark.parametrize(
    ("plan", "number", "expected"),
    [
        (NumberPlan(), "+40 721 000 001", "+40721000001"),
        (NumberPlan(), "0721000001", "0721000001"),
        (NumberPlan(), "0040721000001", "0040721000001"),
        (ROMANIA, "0721000001", "+40721000001"),
        (ROMANIA, "0721/000-001", "+40721000001"),
        (ROMANIA, "721000001", "+40721000001"),
        (ROMANIA, "90721000001", "+40721000001"),
        (ROMANIA, "0040721000001", "+40721000001"),
        (ROMANIA, "0049 211 123456", "+49211123456"),
        (ROMANIA, "+49 (0211) 123456", "+49211123456"),
        (ROMANIA, "0210000100", "+40210000100"),
        (ROMANIA, "101", "101"),
        (ROMANIA, "1234", "1234"),
        (ROMANIA, "112", "112"),
        (ROMANIA, "anonymous", "anonymous"),
        (ROMANIA, "", ""),
        (ROMANIA, "+", "+"),
        (ROMANIA, "*43", "*43"),
        (ROMANIA, "sip:ana@example.com", "sip:ana@example.com"),
        (ROMANIA, "٠٧٢١٠٠٠٠٠١", "٠٧٢١٠٠٠٠٠١"),
        (ROMANIA, "1" * 31, "1" * 31),
        # An internal number that could be one of the country.
        (NumberPlan("RO", internal_lengths=frozenset({9})), "721000001", "721000001"),
        (GERMANY, "00211123456", "+49211123456"),
        (GERMANY, "0211123456", "+49211123456"),
        (GERMANY, "00040210000100", "+40210000100"),
        (GERMANY, "11", "11"),
        (AMERICA, "912125551234", "+12125551234"),
        (AMERICA, "9175551234", "+19175551234"),
        (AMERICA, "772125551234", "+12125551234"),
        (AMERICA, "1-212-555-1234", "+12125551234"),
        # Without its 9 it would be possible, but no number that is in use.
        (NumberPlan("DE", outside_prefix="9"), "917066907", "+49917066907"),
        (ALIKE, "990721000001", "+40721000001"),
        (ALIKE, "9990721000001", "+40721000001"),
    ],
)
def test_numbers(plan: NumberPlan, number: str, expected: str) -> None:
    """Prefixes are removed, internal numbers and other texts stay as they are."""
    assert plan.to_e164(number) == expected


@given(st.text() | st.text("0123456789+ -./()*#"))
def test_any_text_has_a_result(text: str) -> None:
    """A result is E.164, or the text itself."""
    for plan in (NumberPlan(), ROMANIA, GERMANY, AMERICA):
        result = plan.to_e164(text)
        is_e164 = result.startswith("+") and result[1:].isdigit() and len(result) <= 18
        assert result == text or is_e164


def test_plan_of_a_pbx() -> None:
    """The columns of a PBX, or of a row, make the plan; without them it is empty."""
    pbx = Pbx(country="RO", outside_prefix="9", trunk_prefix="", internal_lengths="3,4")
    assert NumberPlan.of(pbx) == ROMANIA
    empty = Pbx(country="", outside_prefix="", trunk_prefix="", internal_lengths="")
    assert NumberPlan.of(empty) == NumberPlan()
