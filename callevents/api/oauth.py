"""The route at which apps get tokens: /oauth/token.php, as VoipNow has it.

Its answers are those of RFC 6749, and errors have no other form.
"""

from http import HTTPStatus

from flask import Blueprint, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from callevents.api.oauth_fields import find_credentials, invalid, read_fields
from callevents.api_access import client_check, consent
from callevents.api_access.app_tokens import Issued, issue_to_owner
from callevents.api_access.authorization import narrow
from callevents.api_access.oauth_error import OAuthError, OAuthErrorCode
from callevents.api_access.scopes import join_scopes, split_scopes
from callevents.audit import Actor, ActorKind, acting_as
from callevents.db.models import OAuthApp
from callevents.db.session import begin_write
from callevents.errors import TooManyAttemptsError
from callevents.extensions import app_state, csrf, db
from callevents.security.client_network import find_client_address

PATH = "/oauth/token.php"
#: The fields that each grant needs.
GRANTS = {
    "client_credentials": (),
    "authorization_code": ("code", "redirect_uri"),
    "refresh_token": ("refresh_token",),
}
CODES = {
    500: OAuthErrorCode.SERVER_ERROR,
    503: OAuthErrorCode.TEMPORARILY_UNAVAILABLE,
}
SENTENCES = {
    404: "There is nothing at this address.",
    405: "Send a POST.",
    409: "Something else was changed at the same time. Try again.",
    413: "The request is larger than 1 MiB.",
    500: "Something went wrong on the server. The error has been logged.",
    503: "The database is unavailable. Try again in a moment.",
}
#: RFC 6749, section 5.1.
NOT_STORED = {"Cache-Control": "no-store", "Pragma": "no-cache"}

bp = Blueprint("oauth_token", __name__)
# Apps have no session that another site could use: they authenticate with their secret.
csrf.exempt(bp)


@bp.post(PATH, strict_slashes=False)
def issue() -> Response:
    """Issue tokens to an app."""
    try:
        issued = _issue()
    except TooManyAttemptsError as error:
        return _refused_for_now(error)
    except OAuthError as error:
        # Commit too, so that a wrong secret counts, and what a stolen code gave is revoked.
        db.session.commit()
        return _refused(error)
    db.session.commit()
    return _answer(200, _to_values(issued))


def http_error(error: HTTPException) -> Response:
    """Return an error of Flask or Werkzeug in the form of RFC 6749."""
    status = error.code or 500
    code = CODES.get(status, OAuthErrorCode.INVALID_REQUEST)
    response = _error(status, code, SENTENCES.get(status) or HTTPStatus(status).phrase)
    for name, value in error.get_headers():
        if name in {"Allow", "Retry-After"}:
            response.headers[name] = value
    return response


def _issue() -> Issued:
    fields = read_fields(request)
    kind = _find_grant(fields)
    address = find_client_address(
        request.remote_addr,
        request.headers.get("X-Forwarded-For", ""),
        app_state().settings.trusted_proxies,
    )
    attempt = client_check.compare(*find_credentials(request, fields), address)
    begin_write()
    app = client_check.finish(attempt)
    with acting_as(Actor(ActorKind.APP, app.name, app.id, request.remote_addr or "")):
        return _issue_for(kind, app, fields)


def _find_grant(fields: dict[str, str]) -> str:
    kind = fields.get("grant_type", "")
    if not kind:
        raise invalid("The field grant_type is missing.")
    if kind not in GRANTS:
        raise OAuthError(
            OAuthErrorCode.UNSUPPORTED_GRANT_TYPE, f"Possible grants are: {', '.join(GRANTS)}."
        )
    for name in GRANTS[kind]:
        if name not in fields:
            raise invalid(f"The field {name} is missing.")
    return kind


def _issue_for(kind: str, app: OAuthApp, fields: dict[str, str]) -> Issued:
    if kind == "authorization_code":
        verifier = fields.get("code_verifier", "")
        return consent.exchange_code(app, fields["code"], fields["redirect_uri"], verifier)
    if kind == "refresh_token":
        return consent.refresh(app, fields["refresh_token"], fields.get("scope", ""))
    return issue_to_owner(app, narrow(split_scopes(app.scopes), fields.get("scope", "")))


def _to_values(issued: Issued) -> dict[str, object]:
    found: dict[str, object] = {
        "access_token": issued.access_token,
        "token_type": "Bearer",
        "expires_in": issued.expires_in,
        "scope": join_scopes(issued.scopes),
    }
    return found | ({"refresh_token": issued.refresh_token} if issued.refresh_token else {})


def _refused(error: OAuthError) -> Response:
    is_unknown = error.code is OAuthErrorCode.INVALID_CLIENT
    response = _error(401 if is_unknown else 400, error.code, str(error))
    if is_unknown:
        response.headers["WWW-Authenticate"] = 'Basic realm="Call Events"'
    return response


def _refused_for_now(error: TooManyAttemptsError) -> Response:
    sentence = f"Too many wrong secrets. Try again in {error.wait_seconds} s."
    response = _error(429, OAuthErrorCode.TEMPORARILY_UNAVAILABLE, sentence)
    response.headers["Retry-After"] = str(error.wait_seconds)
    return response


def _error(status: int, code: OAuthErrorCode, sentence: str) -> Response:
    return _answer(status, {"error": code, "error_description": sentence})


def _answer(status: int, values: dict[str, object]) -> Response:
    response = jsonify(values)
    response.status_code = status
    response.headers.update(NOT_STORED)
    return response
