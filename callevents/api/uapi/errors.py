"""Errors in VoipNow's form: a JSON object with a code and a message, whatever the status."""

import json
from collections.abc import Mapping

from flask import Response
from werkzeug.exceptions import HTTPException

BASES = ("/uapi", "/unifiedapi")
MEDIA_TYPE = "application/json"
REALM = 'Bearer realm="uapi"'

#: Code and message of errors that do not depend on the resource.
_GENERAL = {
    401: ("unauthorized", "Send a token as 'Authorization: Bearer TOKEN'."),
    403: ("access_denied", "The user of the token has no right to do this."),
    404: (
        "not_found",
        "There is nothing at this address. Only this part of VoipNow's UnifiedAPI is here: "
        "/uapi/extensions/{userId}/{extension}/phoneCallEvents.",
    ),
    405: ("method_not_allowed", "This address does not take that method. See the header Allow."),
    409: ("conflict", "Someone else changed this at the same time. Nothing was changed."),
    413: ("request_too_large", "The request is larger than 1 MiB."),
    429: ("too_many_requests", "Too many requests. Wait as long as the header Retry-After says."),
    500: ("internal_error", "Something went wrong. The error has been logged."),
    503: ("unavailable", "The database is unavailable. Nothing was changed. Try again."),
}
_BAD_REQUEST = "request_invalid", "The request is not valid."
_KEPT_HEADERS = frozenset({"Allow", "Retry-After"})


class UapiError(Exception):
    """Ends a request with this code and message."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int = 400,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.headers = headers or {}


def unauthorized() -> UapiError:
    """Return the error for a request without a token."""
    code, message = _GENERAL[401]
    return UapiError(code, message, status=401, headers={"WWW-Authenticate": REALM})


def access_denied(message: str, *, error: str = "insufficient_scope") -> UapiError:
    """Return the error for a token that is not valid, or not for this.

    It is 403 also for an expired token, where RFC 6750 has 401: VoipNow's apps get another token
    after a 403. `error` is the code of RFC 6750.
    """
    challenge = f'{REALM}, error="{error}"'
    if error == "insufficient_scope":
        challenge += ', scope="uapi"'
    headers = {"WWW-Authenticate": challenge}
    return UapiError("access_denied", message, status=403, headers=headers)


def is_uapi(path: str) -> bool:
    """Return True if errors at this path have VoipNow's form."""
    return any(path == base or path.startswith(f"{base}/") for base in BASES)


def error_text(status: int, message: str = "", code: str = "") -> str:
    """Return the JSON text of an error; code and message are by default those of the status."""
    default = _BAD_REQUEST if status < 500 else _GENERAL[500]
    usual_code, usual_message = _GENERAL.get(status, default)
    error = {"code": code or usual_code, "message": message or usual_message}
    return json.dumps({"error": error})


def error_response(error: UapiError) -> Response:
    """Return the error as a response."""
    response = Response(
        error_text(error.status, error.message, error.code), error.status, mimetype=MEDIA_TYPE
    )
    response.headers.update(error.headers)
    return response


def http_error_response(error: HTTPException) -> Response:
    """Return an error of Flask or Werkzeug, or of the domain, as a response."""
    status = error.code or 500
    own = error.description if error.description != type(error).description else None
    response = Response(error_text(status, own or ""), status, mimetype=MEDIA_TYPE)
    for name, value in error.get_headers():
        if name in _KEPT_HEADERS:
            response.headers[name] = value
    return response
