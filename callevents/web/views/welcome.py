"""The page of an invitation, or of a reset: the user sets a password."""

from typing import Any

from flask import (
    Blueprint,
    Response,
    flash,
    g,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)

from callevents.db.session import begin_write
from callevents.errors import BusyError, InvalidError
from callevents.extensions import db
from callevents.security.masking import MASK
from callevents.users.hashing import hash_password
from callevents.users.password_links import get_user_of, use_link
from callevents.users.passwords import check_password
from callevents.web.access import no_write_transaction, public
from callevents.web.forms import NewPasswordForm

bp = Blueprint("welcome", __name__, url_prefix="/welcome")


@bp.url_value_preprocessor
def keep_out_of_logs(_endpoint: str | None, _values: dict[str, Any] | None) -> None:
    """Keep the token, which is a secret, out of log lines."""
    g.logged_path = f"/welcome/{MASK}"


@bp.after_request
def keep_out_of_referrers(response: Response) -> Response:
    """Keep the token out of the Referer header. Its origin is needed: the CSRF check reads it."""
    response.headers["Referrer-Policy"] = "strict-origin"
    return response


@bp.get("/<token>")
@public
def show(token: str) -> str:
    """Show the form. It does not use the link up: programs that scan e-mail open links."""
    return _render(token, NewPasswordForm())


@bp.post("/<token>")
@public
@no_write_transaction
def use(token: str) -> Any:
    """Set the password, and go to the sign-in page."""
    form = NewPasswordForm(request.form)
    password = form.password.data or ""
    try:
        check_password(password, get_user_of(token).username)
        password_hash = hash_password(password)
    except InvalidError as error:
        form.add_errors(error)
        return make_response(_render(token, form), 422)
    except BusyError as error:
        form.add_errors(InvalidError.of("", str(error)))
        return make_response(_render(token, form), 503)
    # Lock the database only after the slow hashing.
    begin_write()
    username = use_link(token, password_hash).username
    db.session.commit()
    flash(f"The password of {username} is set. Sign in with it.", "done")
    return redirect(url_for("account.show_sign_in"), code=303)


def _render(token: str, form: NewPasswordForm) -> str:
    return render_template(
        "welcome/show.html", username=get_user_of(token).username, token=token, form=form
    )
