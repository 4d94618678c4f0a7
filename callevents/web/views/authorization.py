"""The page on which a user allows an app to act for the user: /oauth/authorize.php."""

from typing import Any
from urllib.parse import urlencode

from flask import (
    Blueprint,
    Response,
    abort,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from flask_login import current_user

from callevents.api_access import authorization, consent
from callevents.api_access.authorization import AuthorizationRequest, Target
from callevents.api_access.oauth_error import OAuthError, OAuthErrorCode
from callevents.api_access.scopes import ApiScope
from callevents.errors import InvalidError
from callevents.extensions import csrf, db
from callevents.security.headers import policy_for_redirect
from callevents.web import htmx, login
from callevents.web.access import (
    ask_to_sign_in,
    no_write_transaction,
    own_account,
    public,
    remember_path,
)

#: As VoipNow has it.
PATH = "/oauth/authorize.php"
#: Longer ones are refused by servers and proxies.
MAX_URL_LENGTH = 8000
DENIED = OAuthError(OAuthErrorCode.ACCESS_DENIED, "The user denied access.")

bp = Blueprint("authorization", __name__)


@bp.get(PATH, strict_slashes=False)
@public
def show() -> Any:
    """Ask the user, who signs in first; errors go to the app if its address is certain."""
    parameters = request.args.to_dict(flat=False)
    target = _find_target(parameters)
    try:
        asked = authorization.read_request(target, parameters)
    except OAuthError as error:
        return redirect(target.url_of(error))
    if login.find_current_user() is None:
        return ask_to_sign_in()
    if login.lacks_second_factor():
        remember_path()
        return htmx.redirect_to(url_for("second_factor.show"))
    return _page(asked)


@bp.post(PATH, strict_slashes=False)
@public
@no_write_transaction
def show_again() -> Any:
    """Redirect to the same request as a GET.

    The form of another site brings no session cookie along, which is `SameSite=Lax`; the browser
    sends it with the GET. Nothing is changed here, and no cookie is set, which would replace it.
    """
    query = urlencode([*request.args.items(multi=True), *request.form.items(multi=True)])
    url = f"{url_for('.show')}?{query}"
    if len(url) > MAX_URL_LENGTH:
        abort(413, "The app sent a request that is too long.")
    return redirect(url, code=303)


csrf.exempt(show_again)


@bp.post("/oauth/consent")
@own_account
def decide() -> Any:
    """Send the user back to the app, with a code if the user allows it."""
    parameters = request.form.to_dict(flat=False)
    target = _find_target(parameters)
    decision = request.form.get("decision", "")
    if decision not in {"allow", "deny"}:
        abort(400, "Choose Allow or Deny.")
    try:
        asked = authorization.read_request(target, parameters)
        if decision == "deny":
            raise DENIED
        code = consent.allow(current_user, asked)
    except OAuthError as error:
        db.session.rollback()
        return redirect(target.url_of(error))
    db.session.commit()
    return redirect(target.url(code=code))


def _find_target(parameters: authorization.Parameters) -> Target:
    try:
        return authorization.find_target(parameters)
    except InvalidError as error:
        return abort(400, str(error))


def _page(asked: AuthorizationRequest) -> Response:
    scopes = [scope for scope in ApiScope if scope in asked.scopes]
    page = render_template("authorization/consent.html", asked=asked, scopes=scopes)
    response = make_response(page)
    policy = policy_for_redirect(asked.target.redirect_uri)
    response.headers["Content-Security-Policy"] = policy
    return response
