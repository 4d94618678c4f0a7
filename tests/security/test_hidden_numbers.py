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
        ("CallerIDNum=%2B1-212-555-1234", "CallerIDNum=%2B…234"),
        ("n=%2B31%206%201234%205678&x=1", "n=%2B…678&x=1"),
        ("n=06%2012%2034%2056%2078", "n=…678"),
        ("n=%252B31%25206%252012345678", "n=%252B…678"),
        ("n=06+12+34+56+78&x=1", "n=…678&x=1"),
        ("%281%29+212%2F555%2D1234", "%28…234"),
        ("0612-34-5678", "…678"),
        ("2012-31-5678", "…678"),
        ("https://x.example/c31612345678", "https://x.example/c…678"),
        ("https://x.example/tel-31612345678.json", "https://x.example/tel-…678.json"),
        ("id-0612345678", "id-…678"),
        ("name.0612345678x", "name.…678x"),
        (r'"a\n0612345678"', r'"a\n…678"'),
        (r'"\u002b31612345678"', r'"\u002b…678"'),
        (r'"06\u00201234\u00205678"', r'"…678"'),
        ("%20612345678%22", "%20…678%22"),
        ("+31\xa06\xa012345678", "…678"),
        ("2026-11-23T02:50:57.245Z 0612345678", "2026-11-23T02:50:57.245Z …678"),
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
        "2026-11-23T02%3A50%3A57.245Z",
        "EventTime=2026-11-23+02%3A50%3A57",
        "2026-11-23T02:50:57.245+01:00",
        "Mon, 23 Nov 2026 02:50:57 GMT",
        "id=01a2283ed935752da6a6b9f412345678",
        "%2F01a2283e-d935-752d-a6a6-123456789012",
        "CA12345678901234567890123456789abc",
        "v1,K7gNU3sdo+OL0wNhq1234567r3g6s1xYv72ol/pe/Unols=",
        "connect to 192.168.100.200:54321 failed",
        "1732330257.1234",
        "%20123456",
    ],
)
def test_other_texts(text: str) -> None:
    """Extensions, times, IDs and signatures stay as they are."""
    assert hide_numbers(text) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("06_12_34_56_78", "n=06_12_34_56_78"),
        ("06;12;34;56;78", "n=06%3B12%3B34%3B56%3B78&x=1"),
        ("06 12;34 56 78", "n=06+12%3B34+56+78&x=1"),
        ('"06":"12345678"', r'{"n": "\"06\":\"12345678\""}'),
        ("06é12é34é56é78", r'{"n": "06\u00e912\u00e934\u00e956\u00e978"}'),
        ("06&12&34&56&78", "<n>06&amp;12&amp;34&amp;56&amp;78</n>"),
        ("192.168.100.200", "192.168.100.200"),
    ],
)
def test_known_values(value: str, text: str) -> None:
    """A value of the call is hidden in each encoding, whatever it looks like."""
    shown = hide_numbers(text, [value])
    assert shown != text
    assert "…" + "".join(filter(str.isdecimal, value))[-3:] in shown
    assert "12" not in shown
    assert "168" not in shown


def test_short_known_values() -> None:
    """Extensions stay."""
    text = "ext=101&name=Anna+101&n=0612345678"
    assert hide_numbers(text, ["101", "", "Anna 101"]) == "ext=101&name=Anna+101&n=…678"


def test_long_texts() -> None:
    """A text of a hostile receiver takes no more time than its length."""
    for part in ("1", "1-", "f", "1%20", "192.168.", "2026-11-23 ", "+(", "1---"):
        assert hide_numbers(part * 50_000)
