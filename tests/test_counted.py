"""Numbers with their nouns."""

import pytest

from callevents.counted import counted


@pytest.mark.parametrize(
    ("count", "noun", "text"),
    [
        (0, "request", "0 requests"),
        (1, "request", "1 request"),
        (2_000, "request", "2,000 requests"),
        (1, "waiting delivery", "1 waiting delivery"),
        (2, "waiting delivery", "2 waiting deliveries"),
        (2, "day", "2 days"),
    ],
)
def test_a_noun_agrees_with_its_number(count: int, noun: str, text: str) -> None:
    """One is singular, all others are plural, and thousands are separated."""
    assert counted(count, noun) == text
