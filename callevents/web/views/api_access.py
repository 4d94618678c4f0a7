"""The page 'API access': API tokens, apps, and the apps that the user has allowed."""

from typing import Any

from flask import Blueprint, render_template, request, url_for
from flask_login import current_user

from callevents.api_access import api_tokens, apps
from callevents.extensions import db
from callevents.web import dialogs, htmx
from callevents.web.access import may, own_account

bp = Blueprint("api_access", __name__, url_prefix="/api-access")

ACCESS_CHANGED = "api-access-changed"


@bp.get("")
@own_account
def index() -> str:
    """Show the user's tokens and allowed apps; to admins all tokens and apps."""
    is_admin = may("administer")
    tokens = api_tokens.list_api_tokens(None if is_admin else current_user)
    own = current_user.id
    return render_template(
        "api_access/_sections.html" if htmx.is_htmx() else "api_access/index.html",
        tokens=[token for token in tokens if token.user_id == own],
        other_tokens=[token for token in tokens if token.user_id != own],
        apps=apps.list_apps() if is_admin else [],
        allowed=apps.list_allowed(current_user),
    )


@bp.route("/allowed/<app_id>/revoke", methods=["GET", "POST"])
@own_account
def revoke(app_id: str) -> Any:
    """Confirm; withdraw what the user has allowed the app."""
    found = apps.get_allowed(current_user, app_id)
    if request.method == "POST":
        text = f"{found.app.name} has no access any more."
        apps.revoke_access(current_user, found.app)
        db.session.commit()
        return dialogs.finish(text, url_for(".index"), ACCESS_CHANGED)
    return dialogs.show("api_access/revoke.html", allowed=found)
