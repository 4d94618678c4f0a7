"""Error messages of attempts."""

import pycurl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callevents.delivery.http.error_messages import (
    TransferError,
    describe_failure,
    describe_proxy_failure,
    describe_status,
)

OPENSSL = "OpenSSL SSL_read: OpenSSL/3.6.5"


@pytest.mark.parametrize(
    ("code", "text", "errno", "sentence"),
    [
        *(
            (
                pycurl.E_COULDNT_CONNECT,
                "odd",
                errno,
                "The receiver's network or host is unreachable.",
            )
            for errno in (101, 113)
        ),
        (
            *(pycurl.E_COULDNT_CONNECT, "odd", 111),
            "Connection refused: nothing listens on that address and port.",
        ),
        (pycurl.E_COULDNT_CONNECT, "odd", 0, "The request failed: odd"),
        (
            pycurl.E_RECV_ERROR,
            f"{OPENSSL}:error:0A00045C:SSL routines::tlsv13 alert certificate required, errno 0",
            0,
            "The receiver demands a client certificate.",
        ),
        (
            pycurl.E_RECV_ERROR,
            f"{OPENSSL}:error:0A000418:SSL routines::tlsv1 alert unknown ca, errno 0",
            0,
            "The receiver refused the client certificate: unknown ca.",
        ),
        (
            pycurl.E_SSL_CONNECT_ERROR,
            "TLS connect error: error:0A000415:SSL routines::sslv3 alert certificate expired",
            0,
            "The receiver refused the client certificate: certificate expired.",
        ),
        (
            *(pycurl.E_RECV_ERROR, "Recv failure: Connection reset by peer", 104),
            "The receiver closed the connection before it responded.",
        ),
        (
            *(pycurl.E_SEND_ERROR, "Send failure: Broken pipe", 32),
            "The receiver closed the connection before it responded.",
        ),
        (
            *(pycurl.E_SSL_CONNECT_ERROR, "Recv failure: Connection reset by peer", 104),
            "TLS handshake failed: Connection reset by peer.",
        ),
        (
            pycurl.E_SSL_CONNECT_ERROR,
            "TLS connect error: error:0A00010B:SSL routines::wrong version number",
            0,
            "TLS handshake failed: wrong version number.",
        ),
        (
            pycurl.E_PEER_FAILED_VERIFICATION,
            "SSL certificate OpenSSL verify result: certificate has expired (10)",
            0,
            "The TLS certificate is not valid: certificate has expired.",
        ),
        (pycurl.E_OUT_OF_MEMORY, "out of it", 0, "The request failed: out of it"),
    ],
)
def test_failures_have_sentences(code: int, text: str, errno: int, sentence: str) -> None:
    """Each error of libcurl has a sentence that says where the problem is."""
    assert describe_failure(code, text, errno) == sentence


@pytest.mark.parametrize(
    ("code", "status", "sentence"),
    [
        (pycurl.E_COULDNT_CONNECT, 0, "Cannot connect to the proxy (CALLEVENTS_PROXY_URL)."),
        (pycurl.E_COULDNT_RESOLVE_PROXY, 0, "Cannot connect to the proxy (CALLEVENTS_PROXY_URL)."),
        (
            *(pycurl.E_RECV_ERROR, 599),
            "The proxy (CALLEVENTS_PROXY_URL) refused the connection: 599.",
        ),
        (pycurl.E_GOT_NOTHING, 0, ""),
        (pycurl.E_GOT_NOTHING, 200, ""),
    ],
)
def test_failures_of_the_proxy_name_it(code: int, status: int, sentence: str) -> None:
    """Errors distinguish the proxy from the receiver behind it."""
    assert describe_proxy_failure(code, status) == sentence


@given(st.text())
def test_sentences_are_printable_and_short(text: str) -> None:
    """Any error message has no control characters and is limited."""
    sentence = str(TransferError(text))
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
