"""Error messages for failed attempts: one sentence for users."""

import re
from http import HTTPStatus

import pycurl

MAX_MESSAGE_LENGTH = 500

CLOSED_EARLY = "The receiver closed the connection before it responded."
INVALID_RESPONSE = "The response is not valid HTTP."
TOO_LONG = "The attempt took too long in total and was aborted."
CERTIFICATE_DEMANDED = "The receiver demands a client certificate."
CERTIFICATE_UNUSABLE = (
    "The client certificate or its key cannot be used. Enter both again at the receiver."
)
INTERRUPTED = "The worker stopped during this attempt."

#: Error codes of libcurl that pycurl has no names for.
_E_PROXY, _E_HTTP2_STREAM, _E_TOO_LARGE = 97, 92, 100

_INVALID = {
    pycurl.E_UNSUPPORTED_PROTOCOL,  # Not HTTP at all.
    pycurl.E_FTP_WEIRD_SERVER_REPLY,
    pycurl.E_BAD_CONTENT_ENCODING,
    pycurl.E_HTTP2,
    _E_HTTP2_STREAM,
    _E_TOO_LARGE,
}
_CLOSED = {
    pycurl.E_GOT_NOTHING,
    pycurl.E_PARTIAL_FILE,
    pycurl.E_RECV_ERROR,
    pycurl.E_SEND_ERROR,
}
#: ECONNREFUSED on Linux and macOS.
_REFUSED = {111, 61}
#: ENETUNREACH and EHOSTUNREACH on Linux and macOS.
_UNREACHABLE = {101, 113, 51, 65}


#: Alerts of TLS (RFC 8446, section 6.2) with which a receiver refuses our certificate. With TLS 1.3
#: they follow the handshake, so they arrive instead of the response.
_ALERT = re.compile(r" alert (.*(?:certificate|unknown ca|access denied|decrypt error).*?)(?:,|$)")


class TransferError(Exception):
    """An attempt got no response; the text is the error message.

    `is_unreachable`: there was no connection, or no complete response in time.
    """

    def __init__(self, message: str, *, is_unreachable: bool = True) -> None:
        super().__init__(clean(message))
        self.is_unreachable = is_unreachable


def describe_failure(code: int, text: str, errno: int = 0) -> str:
    """Return the error message for libcurl's error, except for timeouts.

    `errno`: the system's error number of the last attempt to connect.
    """
    if message := _describe_client_certificate(code, text):
        return message
    if code == pycurl.E_PEER_FAILED_VERIFICATION:
        return f"The TLS certificate is not valid: {_find_reason(text)}."
    if code == pycurl.E_SSL_CONNECT_ERROR:
        return f"TLS handshake failed: {_find_reason(text)}."
    if code == pycurl.E_COULDNT_RESOLVE_HOST:
        return "The host name does not resolve to an address."
    if code == pycurl.E_COULDNT_CONNECT and errno in _REFUSED:
        return "Connection refused: nothing listens on that address and port."
    if code == pycurl.E_COULDNT_CONNECT and errno in _UNREACHABLE:
        return "The receiver's network or host is unreachable."
    if code in _INVALID or (code == pycurl.E_RECV_ERROR and text.startswith("chunk ")):
        return INVALID_RESPONSE
    return CLOSED_EARLY if code in _CLOSED else f"The request failed: {text}"


def _describe_client_certificate(code: int, text: str) -> str:
    """Return the error about our certificate, empty if it is about something else."""
    if code == pycurl.E_SSL_CERTPROBLEM or text.startswith("unable to set private key"):
        return CERTIFICATE_UNUSABLE
    if (found := _ALERT.search(text)) is None:
        return ""
    if "certificate required" in found[1]:
        return CERTIFICATE_DEMANDED
    return f"The receiver refused the client certificate: {found[1]}."


def describe_proxy_failure(code: int, status_code: int) -> str:
    """Return the error for a proxy that is unreachable or refused the tunnel, else empty.

    `status_code`: that of the proxy's response to CONNECT, 0 without one.
    """
    if status_code and not 200 <= status_code < 300:
        refused = "The proxy (CALLEVENTS_PROXY_URL) refused the connection"
        return f"{refused}: {_with_phrase(status_code)}."
    if code in {pycurl.E_COULDNT_RESOLVE_PROXY, pycurl.E_COULDNT_CONNECT, _E_PROXY}:
        return "Cannot connect to the proxy (CALLEVENTS_PROXY_URL)."
    return ""


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


def _find_reason(text: str) -> str:
    """Return the text without its beginning, which says what it is about, and OpenSSL's number."""
    return re.sub(r" \([0-9]+\)$", "", re.split(r": |::", text)[-1])


def _with_phrase(status_code: int) -> str:
    try:
        return f"{status_code} {HTTPStatus(status_code).phrase}"
    except ValueError:
        return str(status_code)
