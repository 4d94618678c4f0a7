"""Error messages for failed attempts: one sentence for users."""

import re
import ssl
from collections.abc import Iterator
from http import HTTPStatus

from urllib3.exceptions import NameResolutionError, ProxyError, ReadTimeoutError

from callevents.delivery.http.address_check import AddressRefusedError

MAX_MESSAGE_LENGTH = 500


def describe_status(status_code: int, location: str = "") -> str:
    """Return the error for a status code, empty for 2xx."""
    if 200 <= status_code < 300:
        return ""
    if 300 <= status_code < 400 and location:
        return _clean(f"The receiver redirects to {location}; redirects are not followed.")
    try:
        phrase = " " + HTTPStatus(status_code).phrase
    except ValueError:
        phrase = ""
    return f"The receiver returned {status_code}{phrase}."


def describe_error(error: BaseException, connect_seconds: float, read_seconds: float) -> str:
    """Return the error for an exception that ended an attempt; timeouts in seconds."""
    causes = list(_causes(error))
    for cause in causes:
        if message := _describe_known(cause):
            return _clean(message)
    names = {type(cause).__name__ for cause in causes}
    if names & {"ConnectTimeout", "ConnectTimeoutError"}:
        return f"No connection within {connect_seconds:g} seconds."
    if "ReadTimeout" in names or any(
        isinstance(c, ReadTimeoutError | TimeoutError) for c in causes
    ):
        return f"No response within {read_seconds:g} seconds."
    if names & {"RemoteDisconnected", "ConnectionResetError", "BrokenPipeError", "IncompleteRead"}:
        return "The receiver closed the connection before it responded."
    if names & {
        "BadStatusLine",
        "HTTPException",
        "InvalidHeader",
        "LineTooLong",
        "UnknownProtocol",
    }:
        return "The response is not valid HTTP."
    return _clean(f"The request failed: {error}")


def is_address_refused(error: BaseException) -> bool:
    """Return True if the attempt failed because we refused the receiver's address."""
    return any(isinstance(cause, AddressRefusedError) for cause in _causes(error))


def _describe_known(cause: BaseException) -> str:
    if isinstance(cause, AddressRefusedError):
        return str(cause)
    if isinstance(cause, ProxyError):
        return _describe_proxy(cause)
    if isinstance(cause, NameResolutionError):
        return "The host name does not resolve to an address."
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"The TLS certificate is not valid: {cause.verify_message}."
    if isinstance(cause, ssl.SSLError):
        reason = getattr(cause, "reason", None) or "the receiver closed the connection"
        return f"TLS handshake failed: {reason}."
    if isinstance(cause, ConnectionRefusedError):
        return "Connection refused: nothing listens on that address and port."
    if isinstance(cause, OSError) and cause.errno in _UNREACHABLE:
        return "The receiver's network or host is unreachable."
    return ""


def _describe_proxy(error: ProxyError) -> str:
    """Return the error for a proxy that refused the tunnel or could not be reached."""
    found = re.search(r"Tunnel connection failed: (.+)$", str(error.original_error))
    if found:
        return f"The proxy (CALLEVENTS_PROXY_URL) refused the connection: {found[1]}."
    return "Cannot connect to the proxy (CALLEVENTS_PROXY_URL)."


#: ENETUNREACH and EHOSTUNREACH on Linux and macOS.
_UNREACHABLE = {101, 113, 51, 65}


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and all its causes, outermost first, each once."""
    seen: set[int] = set()
    waiting: list[BaseException] = [error]
    while waiting:
        cause = waiting.pop(0)
        if id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        reason = getattr(cause, "reason", None)
        linked = (cause.__cause__, cause.__context__, reason, *cause.args)
        waiting += [other for other in linked if isinstance(other, BaseException)]


def _clean(message: str) -> str:
    """Return the message without object addresses and control characters, and shortened."""
    message = re.sub(r"<[^<>]* object at 0x[0-9a-f]+>:? ?", "", message)
    return "".join(c if c.isprintable() else "�" for c in message)[:MAX_MESSAGE_LENGTH]
