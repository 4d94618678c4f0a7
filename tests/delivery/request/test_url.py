"""The rules for a receiver's URL."""

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callevents.delivery.request.url import begins_with, check_url, display_url
from callevents.errors import InvalidError

NO_HOST = "The URL needs a host, as in https://crm.example.com/calls."
NO_SCHEME = "The URL must begin with http:// or https://."
NOT_VALID = "The URL's host or port is not valid."
SPACES = "The URL must not contain spaces or control characters; write a space as %20."
CREDENTIALS = (
    "The URL must not contain a username or password, because URLs are displayed and "
    "logged. Remove the part before the @ and use the fields for authentication."
)
FRAGMENT = (
    "The URL must not contain a fragment (#...), which is never sent to a server. "
    "Write a # inside a value as %23."
)
PERCENT = "The URL's host must not contain percent signs."


def error_of(text: str) -> str:
    """Return the error about the URL."""
    with pytest.raises(InvalidError) as caught:
        check_url(text)
    [sentence] = caught.value.errors["url"]
    return sentence


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://a", "http://a"),
        ("  https://crm.example.com/calls?x=1&y=%2f ", "https://crm.example.com/calls?x=1&y=%2f"),
        ("HTTPS://Crm.Example.COM:8443/A/b", "https://crm.example.com:8443/A/b"),
        ("http://a:80/", "http://a:80/"),
        ("http://a:/x", "http://a/x"),
        ("http://my_host.local/", "http://my_host.local/"),
        ("http://a./", "http://a./"),
        ("http://10.0.0.1/", "http://10.0.0.1/"),
        ("http://[2001:DB8:0::1]:8080/x", "http://[2001:db8::1]:8080/x"),
        ("http://[::1]", "http://[::1]"),
        ("http://a/%zz?q=100%", "http://a/%zz?q=100%"),
        ("http://a/é?q=ü|[]", "http://a/é?q=ü|[]"),
        ("http://a//b/../c", "http://a//b/../c"),
    ],
)
def test_good_urls(text: str, url: str) -> None:
    """Scheme and host become lower case, all else stays as typed."""
    assert check_url(text).url == url


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "Enter the URL of the receiver."),
        ("   ", "Enter the URL of the receiver."),
        ("crm.example.com", NO_SCHEME),
        ("ftp://a/", NO_SCHEME),
        ("javascript:alert(1)", NO_SCHEME),
        ("file:///etc/passwd", NO_SCHEME),
        ("http:a", NO_SCHEME),
        ("http:/a", NO_SCHEME),
        ("//a/b", NO_SCHEME),
        ("http://", NO_HOST),
        ("http:///x", NO_HOST),
        ("http://:80/", NO_HOST),
        ("http://user:password@a/", CREDENTIALS),
        ("http://user@a/", CREDENTIALS),
        ("http://@a/", CREDENTIALS),
        ("http://a/#x", FRAGMENT),
        ("http://a/#", FRAGMENT),
        ("http://a:0/", "The URL's port must be between 1 and 65535."),
        ("http://a:65536/", NOT_VALID),
        ("http://a:x/", NOT_VALID),
        ("http://a:-1/", NOT_VALID),
        ("http://[::1/", NOT_VALID),
        ("http://[zz::1]/", NOT_VALID),
        ("http://[fe80::1%25eth0]/", "The URL's host must be an IPv6 address without a zone."),
        ("http://a b/", SPACES),
        ("http://a/b c", SPACES),
        ("http://a/\nb", SPACES),
        ("http://a/\x00", SPACES),
        ("http://a/\x7f", SPACES),
        ("http://a/\u202e", SPACES),
        ("http://a/\u00a0b", SPACES),
        ("http://a/\ud800", SPACES),
        ("http://a\\b/", "The URL must not contain the character '\\\\'."),
        ("http://a%2eb/", PERCENT),
        ("http://a..b/", "The URL's host 'a..b' is not a valid host name."),
        ("http://.a/", "The URL's host '.a' is not a valid host name."),
        ("http://a!b/", "The URL's host 'a!b' is not a valid host name."),
        (f"http://{'a' * 64}/", f"The URL's host '{'a' * 64}' is not a valid host name."),
        ("http://a\u200db/", SPACES),
        ("http://\u2603..c/", "The URL's host '\u2603..c' is not a valid host name."),
    ],
)
def test_wrong_urls_are_explained(text: str, sentence: str) -> None:
    """Each rule has its own error."""
    assert error_of(text) == sentence


def test_length() -> None:
    """2,000 characters pass, one more does not; nor does a URL that is longer on the wire."""
    longest = "http://a/" + "x" * 1991
    assert check_url(longest).url == longest
    assert error_of(longest + "x") == ("The URL must be at most 2,000 characters (got 2,001).")
    host = "ü" * 20
    grows = f"http://{host}/" + "x" * (2000 - len(f"http://{host}/"))
    assert error_of(grows) == "The URL must be at most 2,000 characters."


def test_international_hosts_in_both_forms() -> None:
    """An international name is sent in ASCII and displayed in Unicode."""
    found = check_url("https://Bücher.example/ä")
    assert found.url == "https://xn--bcher-kva.example/ä"
    assert (found.host, found.display_host) == ("xn--bcher-kva.example", "bücher.example")
    assert display_url(found.url) == "https://bücher.example/ä"
    assert check_url(found.url) == found


def test_display_of_other_urls() -> None:
    """Plain hosts, and invalid international ones, are displayed unchanged."""
    for url in ("http://a/x", "http://xn--zzzz--.com/", "http://[::1]/", "http://a/xn--bcher-kva"):
        assert display_url(url) == url


def test_field_has_the_form_s_name() -> None:
    """The error is about the given field."""
    with pytest.raises(InvalidError) as caught:
        check_url("", field="target")
    assert list(caught.value.errors) == ["target"]


signs = "abz019-._~:[]@%\\/?#üß日xn\u3002\uff0e\uff11\u0301\u200d \u0663"
hosts = st.text(st.sampled_from(signs), max_size=20)


@given(
    st.one_of(
        st.text(),
        st.text().map(lambda tail: "http://a" + tail),
        hosts.map(lambda host: f"http://{host}/"),
        hosts.map(lambda host: f"http://xn--{host}:80/"),
        st.from_regex(r"https?://[\S]{1,30}(:\d{1,6})?(/\S*)?", fullmatch=True),
    )
)
def test_any_text_is_a_url_or_a_sentence(text: str) -> None:
    """Only InvalidError is raised, and valid URLs follow all rules."""
    try:
        found = check_url(text)
    except InvalidError:
        return
    parts = urlsplit(found.url)
    assert parts.scheme in {"http", "https"}
    assert parts.hostname == found.host
    assert found.host.isascii()
    assert "@" not in parts.netloc
    assert not parts.fragment
    assert len(found.url) <= 2000
    assert found.url.isprintable()
    assert check_url(found.url) == found, "the wire form stays as it is"
    display_url(found.url)


@pytest.mark.parametrize(
    ("url", "begins"),
    [
        ("https://h.example/hooks/1", True),
        ("https://h.example/hooks/1/x?y=..", True),
        ("https://h.example/hooks/1?x=/../2", True),
        ("https://h.example/hooks/1/{CallID}", True),
        ("https://h.example/hooks/12", False),
        ("https://h.example/hooks/1/../2", False),
        ("https://h.example/hooks/1/%2E%2e/2", False),
        ("https://h.example/hooks/1/x%2f..%5c2", False),
        ("https://h.example/hooks/1/./2", False),
    ],
)
def test_what_begins_with_an_address(url: str, begins: bool) -> None:
    """Nothing that servers resolve to another folder does."""
    assert begins_with(url, "https://h.example/hooks/1") is begins
