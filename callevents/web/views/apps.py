"""Apps: add, change, replace the secret, remove."""

from typing import Any

from flask import Blueprint, request, url_for
from flask_login import current_user

from callevents.api_access import apps
from callevents.db.models import OAuthApp
from callevents.enums import Right
from callevents.errors import InvalidError
from callevents.extensions import db
from callevents.web import dialogs, htmx
from callevents.web.access import requires
from callevents.web.api_access_form import OAuthAppForm
from callevents.web.dialogs import submitted_form
from callevents.web.public_url import find_kind, oauth_token_url
from callevents.web.views.api_access import ACCESS_CHANGED

bp = Blueprint("apps", __name__, url_prefix="/api-access/apps")


@bp.route("/new", methods=["GET", "POST"])
@requires(Right.ADMINISTER)
def add() -> Any:
    """Show the form; add the app and show its secret once."""
    form = OAuthAppForm.of(submitted_form(), owner=current_user)
    if request.method == "POST":
        try:
            app, secret = apps.add_app(
                form.find_owner(),
                form.name.data or "",
                pbx=form.find_pbx(),
                scopes=form.scopes.data or [],
                redirect_uris=form.find_redirect_uris(),
            )
        except InvalidError as error:
            db.session.rollback()
            form.add_errors(error)
        else:
            db.session.commit()
            return _show_secret(app, secret, is_new=True)
    return dialogs.show("apps/add.html", status=_status(), form=form)


@bp.route("/<app_id>/edit", methods=["GET", "POST"])
@requires(Right.ADMINISTER)
def edit(app_id: str) -> Any:
    """Show the form; change name, scopes and redirect URIs."""
    app = apps.get_app(app_id)
    form = OAuthAppForm.of(submitted_form(), app)
    if request.method == "POST":
        try:
            apps.change_app(
                app,
                name=form.name.data or "",
                scopes=form.scopes.data or [],
                redirect_uris=form.find_redirect_uris(),
            )
        except InvalidError as error:
            db.session.rollback()
            form.add_errors(error)
        else:
            db.session.commit()
            return dialogs.finish("Saved.", url_for("api_access.index"), ACCESS_CHANGED)
    return dialogs.show("apps/edit.html", status=_status(), app=app, form=form)


@bp.route("/<app_id>/secret", methods=["GET", "POST"])
@requires(Right.ADMINISTER)
def renew_secret(app_id: str) -> Any:
    """Confirm; replace the secret and show the new one once."""
    app = apps.get_app(app_id)
    if request.method == "POST":
        secret = apps.rotate_secret(app)
        db.session.commit()
        return _show_secret(app, secret, is_new=False)
    return dialogs.show("apps/renew_secret.html", app=app)


@bp.route("/<app_id>/remove", methods=["GET", "POST"])
@requires(Right.ADMINISTER)
def remove(app_id: str) -> Any:
    """Confirm; remove the app."""
    app = apps.get_app(app_id)
    if request.method == "POST":
        text = f"The app {app.name} was removed."
        apps.remove_app(app)
        db.session.commit()
        return dialogs.finish(text, url_for("api_access.index"), ACCESS_CHANGED)
    return dialogs.show("apps/remove.html", app=app, users=apps.count_users(app))


def _show_secret(app: OAuthApp, secret: str, *, is_new: bool) -> Any:
    htmx.trigger(ACCESS_CHANGED)
    url = oauth_token_url()
    return dialogs.show(
        "apps/secret.html",
        app=app,
        secret=secret,
        is_new=is_new,
        token_url=url,
        address=find_kind(url),
    )


def _status() -> int:
    """Return the status of a form that is shown, again if it was submitted."""
    return 422 if request.method == "POST" else 200
