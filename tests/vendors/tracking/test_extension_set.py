"""The set of extensions: a list, and the matches of any pattern."""

import pytest

from callevents.vendors.tracking.extension_set import ExtensionSet

#: Each of them takes Python's own expressions longer than anybody lives.
ENDLESS = ["(a+)+$", "(a|a)*$", "(a|aa)+$", "(.*a){25}", "a?" * 60 + "a" * 60, "(a*)*b"]


def test_list_and_pattern() -> None:
    """Either is enough; a pattern has to fit from end to end."""
    extensions = ExtensionSet(["7"], r"1\d\d|0003\*2\d\d")
    assert [number for number in ("7", "101", "0003*210") if number in extensions]
    assert not [number for number in ("", "8", "1011", "0101", "1x1") if number in extensions]


@pytest.mark.parametrize("pattern", ENDLESS)
def test_no_pattern_holds_up_the_listener(pattern: str) -> None:
    """A thousand numbers of the longest kind are tried, and the test ends."""
    extensions = ExtensionSet(pattern=pattern)
    numbers = ["a" * length + "!" for length in range(64)] * 16
    assert not [number for number in numbers if number in extensions]


@pytest.mark.parametrize("pattern", ["(1", "(?!1)2", "(((1{100}){100}){100})"])
def test_what_is_no_pattern(pattern: str) -> None:
    """It is refused with a sentence that has it, also if it would be too large."""
    with pytest.raises(ValueError, match="Invalid regular expression "):
        ExtensionSet(pattern=pattern)


@pytest.mark.parametrize("pattern", ["(?=1)2", "(?<!1)2", r"(1)\1"])
def test_what_other_patterns_can(pattern: str) -> None:
    """Syntax of other dialects gets an error that says what is not supported."""
    with pytest.raises(ValueError, match=r"Lookahead, lookbehind and back-references are not"):
        ExtensionSet(pattern=pattern)
    with pytest.raises(ValueError, match=r"missing \): \(\.$"):
        ExtensionSet(pattern="(")


def test_odd_numbers_fit_no_pattern() -> None:
    """An invalid number is no extension, even if the pattern matches everything."""
    extensions = ExtensionSet(pattern=".*")
    assert not [one for one in ("", "1\x00", "\ud800", "1\n", "1" * 65) if one in extensions]
