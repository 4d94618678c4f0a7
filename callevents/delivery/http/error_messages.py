"""Error messages for failed attempts: one sentence for users."""

import re
from dataclasses import dataclass
from http import HTTPStatus

import pycurl

MAX_MESSAGE_LENGTH = 500

CLOSED_EARLY = "The receiver closed the connection before it responded."
INVALID_RESPONSE = "The response is not valid HTTP."
TOO_LONG = "The attempt took too long in total and was aborted."
INTERRUPTED = "The worker stopped during this attempt."

#: Error codes of libcurl that pycurl has no names for.
_E_PROXY, _E_HTTP2_STREAM, _E_TOO_LARGE = 97, 92, 100

_SENTENCES = {
    pycurl.E_COULDNT_RESOLVE_HOST: "The host name does not resolve to an address.",
    **dict.fromkeys(
        (
            pycurl.E_UNSUPPORTED_PROTOCOL,  # Not HTTP at all.
            pycurl.E_FTP_WEIRD_SERVER_REPLY,
            pycurl.E_BAD_CONTENT_ENCODING,
            pycurl.E_HTTP2,
            _E_HTTP2_STREAM,
            _E_TOO_LARGE,
        ),
        INVALID_RESPONSE,
    ),
    **dict.fromkeys(
        (
            pycurl.E_GOT_NOTHING,
            pycurl.E_PARTIAL_FILE,
            pycurl.E_RECV_ERROR,
            pycurl.E_SEND_ERROR,
        ),
        CLOSED_EARLY,
    ),
}
_CONNECTION_REFUSED = {111, 61}
#: ENETUNREACH and EHOSTUNREACH on Linux and macOS.
_UNREACHABLE = {101, 113, 51, 65}


class TransferError(Exception):
    """An attempt got no response; the text is the error message.

    `is_unreachable`: there was no connection, or no complete response in time.
    """

    def __init__(self, message: str, *, is_unreachable: bool = True) -> None:
        super().__init__(clean(message))
        self.is_unreachable = is_unreachable


@dataclass(frozen=True)
class Failure:
    """What libcurl says about a failed transfer."""

    code: int
    text: str
    #: The system's error number of the last attempt to connect.
    errno: int = 0
    is_proxied: bool = False
    #: The status of the proxy's response to CONNECT, 0 without one.
    proxy_status: int = 0


def describe_failure(failure: Failure) -> str:
    """Return the error message for a failed transfer, except for timeouts."""
    if message := _describe_proxy(failure) or _describe_tls(failure):
        return message
    if failure.code == pycurl.E_COULDNT_CONNECT:
        if failure.errno in _CONNECTION_REFUSED:
            return "Connection refused: nothing listens on that address and port."
        if failure.errno in _UNREACHABLE:
            return "The receiver's network or host is unreachable."
    if failure.code == pycurl.E_RECV_ERROR and failure.text.startswith("chunk "):
        return INVALID_RESPONSE
    return _SENTENCES.get(failure.code, f"The request failed: {failure.text}")


def describe_status(status_code: int, location: str = "") -> str:
    """Return the error for a status code, empty for 2xx."""
    if 200 <= status_code < 300:
        return ""
    if 300 <= status_code < 400 and location:
        return clean(f"The receiver redirects to {location}; redirects are not followed.")
    return f"The receiver returned {_with_phrase(status_code)}."


def clean(message: str) -> str:
    """Return the message without control characters, and shortened."""
    return "".join(c if c.isprintable() else "�" for c in message)[:MAX_MESSAGE_LENGTH]


def _describe_proxy(failure: Failure) -> str:
    """Return the error for a proxy that refused the tunnel or could not be reached."""
    if failure.proxy_status and not 200 <= failure.proxy_status < 300:
        status = _with_phrase(failure.proxy_status)
        return f"The proxy (CALLEVENTS_PROXY_URL) refused the connection: {status}."
    if failure.code in {pycurl.E_COULDNT_RESOLVE_PROXY, _E_PROXY} or (
        failure.is_proxied and failure.code == pycurl.E_COULDNT_CONNECT
    ):
        return "Cannot connect to the proxy (CALLEVENTS_PROXY_URL)."
    return ""


def _describe_tls(failure: Failure) -> str:
    if failure.code == pycurl.E_PEER_FAILED_VERIFICATION:
        return f"The TLS certificate is not valid: {_find_reason(failure.text)}."
    if failure.code == pycurl.E_SSL_CONNECT_ERROR:
        return f"TLS handshake failed: {_find_reason(failure.text)}."
    return ""


def _find_reason(text: str) -> str:
    """Return the text without its beginning, which says what it is about, and OpenSSL's number."""
    return re.sub(r" \([0-9]+\)$", "", re.split(r": |::", text)[-1])


def _with_phrase(status_code: int) -> str:
    try:
        return f"{status_code} {HTTPStatus(status_code).phrase}"
    except ValueError:
        return str(status_code)
