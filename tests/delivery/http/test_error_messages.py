"""Error messages of attempts."""

import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st
from urllib3.exceptions import ProtocolError

from callevents.delivery.http.error_messages import describe_error, describe_status


def describe(error: BaseException) -> str:
    """Describe the error, with 3 seconds for connecting and 10 for reading."""
    return describe_error(error, 3, 10)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (TimeoutError("timed out"), "No response within 10 seconds."),
        (OSError(101, "unreachable"), "The receiver's network or host is unreachable."),
        (OSError(113, "no route"), "The receiver's network or host is unreachable."),
        (
            ConnectionResetError(104, "reset"),
            "The receiver closed the connection before it responded.",
        ),
        (BrokenPipeError(32, "pipe"), "The receiver closed the connection before it responded."),
        (ssl.SSLError(1, "odd"), "TLS handshake failed: the receiver closed the connection."),
        (ValueError("odd"), "The request failed: odd"),
    ],
)
def test_causes_are_found_however_deep(error: BaseException, sentence: str) -> None:
    """An error means the same alone, as an argument, as a reason, or as a cause."""
    wrapped = ProtocolError("Connection aborted.", error)
    caused = RuntimeError("outer")
    caused.__cause__ = wrapped
    found = {describe(one) for one in (error, wrapped, caused)}
    if isinstance(error, ValueError):
        assert describe(error) == sentence
    else:
        assert found == {sentence}


def test_errors_that_cause_each_other_end() -> None:
    """A cycle of causes is followed once."""
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    assert describe(first) == "The request failed: first"


def test_object_addresses_are_left_out() -> None:
    """Object addresses of libraries are removed."""
    text = "<urllib3.connection.HTTPConnection object at 0x7f1c2a>: Failed to do it"
    assert describe(ValueError(text)) == "The request failed: Failed to do it"


@given(st.text(), st.text())
def test_sentences_are_printable_and_short(first: str, second: str) -> None:
    """Any error message has no control characters and is limited."""
    sentence = describe(ValueError(first, second))
    assert sentence.isprintable()
    assert len(sentence) <= 500


@given(st.integers(100, 999), st.text())
def test_every_status_has_a_sentence_unless_it_is_success(status: int, location: str) -> None:
    """Only 2xx is success; all else has one printable sentence that names the status or target."""
    sentence = describe_status(status, location)
    assert (sentence == "") == (200 <= status < 300)
    assert sentence.isprintable()
    if sentence and not (300 <= status < 400 and location):
        assert f"returned {status}" in sentence
