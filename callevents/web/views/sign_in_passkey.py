"""Sign in with a passkey: without a password, or in place of the code after it."""

from typing import Any

from flask import Blueprint, Response, abort, render_template, request, url_for

from callevents.db.session import begin_write
from callevents.enums import SignInMethod
from callevents.errors import SignInError
from callevents.extensions import db
from callevents.users.second_factor import passkeys, second_factor
from callevents.web import challenges, half_sign_in, htmx, login
from callevents.web.access import no_write_transaction, public
from callevents.web.forms import CodeForm, SignInForm
from callevents.web.relying_party import find_relying_party

bp = Blueprint("sign_in_passkey", __name__, url_prefix="/sign-in/passkey")

PURPOSE = "sign in"
EXPIRED = "This took too long. Try again."


@bp.post("/options")
@public
@no_write_transaction
def begin() -> Response:
    """Return the options for the browser: any passkey, or after a password the user's."""
    # Most processes never need the packages for it.
    from callevents.users.second_factor import ceremonies  # noqa: PLC0415

    party = find_relying_party()
    if party is None:
        abort(404)
    ceremony = ceremonies.begin_sign_in(party, half_sign_in.find_user())
    challenges.put(PURPOSE, ceremony.challenge)
    return Response(ceremony.options, mimetype="application/json")


@bp.post("")
@public
@no_write_transaction
def finish() -> Any:
    """Sign in if the passkey's answer is right."""
    from callevents.users.second_factor import ceremonies  # noqa: PLC0415  # as above

    challenge, party = challenges.take(PURPOSE), find_relying_party()
    if challenge is None or party is None:
        return htmx.redirect_to(url_for("account.show_sign_in"), EXPIRED)
    expected = half_sign_in.find_user()
    try:
        answer = request.form.get("credential", "")
        passkey, sign_count = ceremonies.verify_sign_in(party, challenge, answer)
        if expected and passkey.user_id != expected.id:
            raise SignInError(passkeys.REFUSED)
        passkey_id = passkey.id
        begin_write()
        user = passkeys.use(passkey_id, challenge, sign_count)
    except SignInError as error:
        db.session.rollback()
        return _refused(str(error)), 422
    device_id = login.find_client(user.username).device_id
    return login.complete_sign_in(user, device_id, SignInMethod.PASSKEY)


def _refused(problem: str) -> str:
    """Return the page that asked for the passkey, with the reason."""
    if user := half_sign_in.find_user():
        form = CodeForm()
        form.code.errors = [problem]
        factor = second_factor.find(user)
        return render_template("account/sign_in_code.html", form=form, factor=factor)
    return render_template("account/sign_in.html", form=SignInForm(), problem=problem)
