"""Names in AMI messages, as they were spoken."""

import pytest

from callevents.vendors.asterisk.names import name_of
from tests.support.recorded_streams import read_stream, replay


@pytest.mark.parametrize(
    ("written", "name"),
    [
        (r"Conan O\'Brien", "Conan O'Brien"),
        (r"back\\slash", "back\\slash"),
        (r"back\\nslash", "back\\nslash"),
        (r"tab\there", "tab\there"),
        (r"\"Ana\" \?", '"Ana" ?'),
        (r"a\ab\bc\fd\ne\rf\vg", "a b c d e f g"),
        ("Zoë Müller", "Zoë Müller"),
        ("cut\\", "cut\\"),
        (r"\x \8", r"\x \8"),
        ("<unknown>", ""),
        ("", ""),
    ],
)
def test_escapes_are_undone(written: str, name: str) -> None:
    """All of Asterisk's; control characters other than a tab become spaces, as in all names."""
    assert name_of({"CallerIDName": written}, "CallerIDName") == name


def test_recorded_names() -> None:
    """Six names that were spoken to a running Asterisk."""
    events = replay("asterisk", read_stream("asterisk", "n01_caller_names"))
    names = list(dict.fromkeys(event.report.caller_name for event in events))
    assert names == [
        *("Conan O'Brien", "back\\slash", "tab\there", "Zoë Müller 😀", "a;b&c={CallID}"),
        "'; DROP TABLE x;--",
    ]
