"""Secrets in texts of others: found however they are percent-encoded, all else stays."""

import pytest

from callevents.security.masking import MASK, mask_all


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("a%20abc%2fdef%20b", f"a%20{MASK}%20b"),
        ("abc%2fdef%2fghi", MASK),
        ("c/def/g abc%2fdef", f"c/def/g {MASK}"),
        ("abc%2fdefabc%2fdef", MASK * 2),
        ("ä%C3%A4 c%2fdef%2fghi ß%", f"ä%C3%A4 {MASK} ß%"),
        ("%zz % %2 abc-%64ef \ud800", "%zz % %2 abc-%64ef \ud800"),
    ],
    ids=["one", "overlapping", "a part", "adjacent", "other letters", "none"],
)
def test_encoded_secrets_are_masked(text: str, masked: str) -> None:
    """Each is masked once; what surrounds them is unchanged, also if it is no valid encoding."""
    assert mask_all(text, ["abc/def", "c/def%2Fghi"]) == masked


@pytest.mark.parametrize("secret", ["%A9bcdef", "abcdef%C3"])
def test_secrets_that_are_no_text(secret: str) -> None:
    """They are masked as they are; decoded they would match a half of a character."""
    assert mask_all(f"{secret} %41 ébcdef abcdefé", [secret]) == f"{MASK} %41 ébcdef abcdefé"


def test_short_secrets_are_masked_as_they_are() -> None:
    """Decoded, they would match by chance."""
    assert mask_all("a/b is a%2Fb", ["a/b"]) == f"{MASK} is a%2Fb"
