"""Sign in at a provider of single sign-on."""

from typing import Any

import structlog
from flask import Blueprint, redirect, render_template, request

from callevents.config.oidc import OidcProvider
from callevents.db.session import begin_write
from callevents.enums import SignInMethod
from callevents.errors import BusyError, CallEventsError, SignInError
from callevents.extensions import cipher, db
from callevents.users.oidc.begun import Flow
from callevents.web import login, single_sign_on
from callevents.web.access import public
from callevents.web.forms import SignInForm
from callevents.web.password_check import refused

bp = Blueprint("single_sign_on", __name__, url_prefix="/sign-in/with/<provider>")

REFUSALS = (SignInError, BusyError)
NOT_BEGUN = "This sign-in was begun in another browser, or too long ago. Start again."

log = structlog.get_logger("callevents.users")


@bp.get("")
@public
def begin(provider: str) -> Any:
    """Redirect to the provider. It is a link: the policy of our forms allows no other site."""
    # Others need none of its packages.
    from callevents.users.oidc import flow  # noqa: PLC0415

    found = single_sign_on.get_provider(provider)
    try:
        url, begun = flow.begin(found, single_sign_on.redirect_uri(found))
    except REFUSALS as error:
        return _refused(found, error)
    single_sign_on.remember(found, begun)
    return redirect(url, code=303)


@bp.get("/return")
@public
def finish(provider: str) -> Any:
    """Sign in the user whom the provider has authenticated."""
    found = single_sign_on.get_provider(provider)
    begun = single_sign_on.take_flow(found)
    try:
        if begun is None:
            raise SignInError(NOT_BEGUN)
        _sign_in(found, begun)
    except REFUSALS as error:
        # Commit, because a refusal can end sessions.
        db.session.commit()
        return _refused(found, error)
    return login.redirect_to_next()


def _sign_in(provider: OidcProvider, begun: Flow) -> None:
    """Start a session for the user whom the provider has authenticated; raises SignInError."""
    from callevents.users.oidc import flow, identities  # noqa: PLC0415  # as above

    query = request.args.to_dict()
    identity = flow.finish(provider, begun, single_sign_on.redirect_uri(provider), query)
    # Lock the database only after the provider has answered.
    begin_write()
    user = identities.sign_in(provider, begun, identity)
    id_token = cipher.encrypt(identity.id_token)
    login.start_session(user, SignInMethod.SINGLE_SIGN_ON, provider.slug, id_token)
    login.record_sign_in(user, SignInMethod.SINGLE_SIGN_ON, provider.slug)
    db.session.commit()


def _refused(provider: OidcProvider, error: CallEventsError) -> Any:
    reason = getattr(error, "reason", str(error))
    log.warning("single sign-on failed", provider=provider.slug, reason=reason)
    page = render_template("account/sign_in.html", form=SignInForm(), problem=str(error))
    return refused(page, error)
