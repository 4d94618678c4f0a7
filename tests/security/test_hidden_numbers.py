"""Phone numbers are hidden, and other texts are not changed."""

import pytest

from callevents.security.hidden_numbers import hide_numbers


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("+31612345678", "…678"),
        ("0612345678", "…678"),
        ("06 12 34 56 78", "…678"),
        ("+1 (212) 555-1234", "…234"),
        ("(212) 555-1234", "…234"),
        ("call 0612345678 back", "call …678 back"),
        ('{"from": "0612345678", "to": "101"}', '{"from": "…678", "to": "101"}'),
        ("CallerIDNum=0612345678&CalledNumber=101", "CallerIDNum=…678&CalledNumber=101"),
        ("CallerIDNum=%2B31612345678&x=1", "CallerIDNum=%2B…678&x=1"),
        ("sip:0612345678@pbx.example.com", "sip:…678@pbx.example.com"),
        ("<0612345678>, 5551234567", "<…678>, …567"),
    ],
)
def test_numbers(text: str, shown: str) -> None:
    """Whatever separates the digits, three stay."""
    assert hide_numbers(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "101",
        "123456",
        "2026-11-23T02:50:57.245Z",
        "2026-11-23 02:50:57",
        "01a2283e-d935-752d-a6a6-b9f4e438627a",
        "HTTP/1.1 200",
        "v1,K7gNU3sdo+OL0wNhqoVWhr3g6s1xYv72ol/pe/Unols=",
        "https://crm.example.com:8443/calls/v2",
    ],
)
def test_other_texts(text: str) -> None:
    """Extensions, times, IDs and signatures stay as they are."""
    assert hide_numbers(text) == text
