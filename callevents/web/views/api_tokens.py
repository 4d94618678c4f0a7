"""API tokens: create one, revoke one."""

from typing import Any

from flask import Blueprint, request, url_for
from flask_login import current_user

from callevents.api_access import api_tokens
from callevents.db.models import ApiToken
from callevents.enums import Right
from callevents.errors import InvalidError
from callevents.extensions import db
from callevents.web import dialogs, htmx
from callevents.web.access import own_account, requires
from callevents.web.api_access_form import ApiTokenForm
from callevents.web.dialogs import submitted_form
from callevents.web.views.api_access import ACCESS_CHANGED

bp = Blueprint("api_tokens", __name__, url_prefix="/api-access")


@bp.route("/tokens/new", methods=["GET", "POST"])
@own_account
def add() -> Any:
    """Show the form; create a token of the user and show it once."""
    form = ApiTokenForm.of(submitted_form())
    if request.method == "POST":
        try:
            token, text = api_tokens.add_api_token(
                current_user,
                form.name.data or "",
                form.scopes.data or [],
                pbx=form.find_pbx(),
                expires_at=form.find_expiry(),
            )
        except InvalidError as error:
            db.session.rollback()
            form.add_errors(error)
        else:
            db.session.commit()
            htmx.trigger(ACCESS_CHANGED)
            return dialogs.show("api_tokens/made.html", token=token, text=text)
    status = 422 if request.method == "POST" else 200
    return dialogs.show("api_tokens/add.html", status=status, form=form)


@bp.route("/tokens/<id:token_id>/revoke", methods=["GET", "POST"])
@own_account
def revoke(token_id: str) -> Any:
    """Confirm; revoke a token of the user."""
    return _revoke(api_tokens.get_api_token(token_id, current_user))


@bp.route("/other-tokens/<id:token_id>/revoke", methods=["GET", "POST"])
@requires(Right.ADMINISTER)
def revoke_other(token_id: str) -> Any:
    """Confirm; revoke a token of any user."""
    return _revoke(api_tokens.get_api_token(token_id))


def _revoke(token: ApiToken) -> Any:
    if request.method == "POST":
        text = f"The API token {token.name} is revoked."
        api_tokens.revoke_api_token(token)
        db.session.commit()
        return dialogs.finish(text, url_for("api_access.index"), ACCESS_CHANGED)
    is_own = token.user_id == current_user.id
    return dialogs.show("api_tokens/revoke.html", token=token, is_own=is_own)
