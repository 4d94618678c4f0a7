"""Reads the fields and the credentials of a request for a token, in all forms that clients use."""

from collections.abc import Iterable
from urllib.parse import unquote_plus

from werkzeug.wrappers import Request

from callevents.api.payload import (
    FORM,
    MULTIPART,
    decode,
    read_json,
    read_raw,
    split_pairs,
)
from callevents.api.problems import ProblemError
from callevents.api_access.oauth_error import OAuthError, OAuthErrorCode

#: All others are ignored.
NAMES = frozenset(
    {
        "grant_type",
        "client_id",
        "client_secret",
        "code",
        "code_verifier",
        "redirect_uri",
        "refresh_token",
        "scope",
    }
)
FORMS = f"{FORM}, {MULTIPART} or application/json"


def read_fields(request: Request) -> dict[str, str]:
    """Return the known fields of the body that are not empty; raises OAuthError.

    The query is ignored: secrets in it would be in the logs of proxies.
    """
    fields: dict[str, str] = {}
    for name, value in _read_pairs(request):
        if name not in NAMES or value is None or value == "":
            continue
        if not isinstance(value, str):
            raise invalid(f"The field {name} must be a text.")
        if fields.setdefault(name, value) != value:
            raise invalid(f"The field {name} is given twice.")
    return fields


def find_credentials(request: Request, fields: dict[str, str]) -> tuple[str, str]:
    """Return the ID and the secret of the client, from the header or the fields.

    Raises OAuthError.
    """
    given = fields.get("client_id", ""), fields.get("client_secret", "")
    header = request.headers.get("Authorization", "")
    # Some clients send the header of their other requests here too.
    found = _read_basic(request) if header[:6].lower() == "basic " else given
    if any(one and one != other for one, other in zip(given, found, strict=True)):
        raise invalid("The header Authorization and the fields differ.")
    if not all(found):
        raise OAuthError(
            OAuthErrorCode.INVALID_CLIENT, "Send client_id and client_secret, or HTTP Basic."
        )
    return found


def invalid(sentence: str) -> OAuthError:
    """Return the error for a request that cannot be understood."""
    return OAuthError(OAuthErrorCode.INVALID_REQUEST, sentence)


def _read_pairs(request: Request) -> Iterable[tuple[str, object]]:
    if request.content_encoding:
        raise invalid("Compressed bodies are not supported.")
    try:
        raw = read_raw(request)
        if request.mimetype == MULTIPART:
            return request.form.items(multi=True)
        return _parse(raw, request.mimetype)
    except ProblemError as error:
        # It may quote parts of the body.
        raise invalid(f"The body is not valid. Send {FORMS}, in UTF-8.") from error


def _parse(raw: bytes, mimetype: str) -> Iterable[tuple[str, object]]:
    if mimetype in {"", FORM} and raw.lstrip()[:1] != b"{":
        return split_pairs(raw, "form")
    if mimetype not in {"", FORM} and "json" not in mimetype:
        raise invalid(f"The content type is not supported. Send {FORMS}.")
    found = read_json(decode(raw)) if raw.strip() else {}
    if not isinstance(found, dict):
        raise invalid("The body must be a JSON object.")
    return found.items()


def _read_basic(request: Request) -> tuple[str, str]:
    credentials = request.authorization
    if credentials is None:
        raise invalid("The header Authorization is malformed.")
    # RFC 6749, section 2.3.1: both are form-encoded before they are joined.
    parts = credentials.username or "", credentials.password or ""
    return unquote_plus(parts[0]), unquote_plus(parts[1])
