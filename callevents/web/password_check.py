"""Asks for the current password before a change of how the user signs in."""

from flask import Response, make_response
from flask_login import current_user

from callevents.db.models import User
from callevents.db.session import begin_write
from callevents.errors import (
    BusyError,
    CallEventsError,
    InvalidError,
    RetryLaterError,
    SignInError,
    TooManyAttemptsError,
)
from callevents.extensions import db
from callevents.users import sign_in
from callevents.web import login
from callevents.web.forms import BaseForm

#: What a view catches, to pass it to `note_refusal`.
REFUSALS = (InvalidError, SignInError, RetryLaterError)
STATUS_CODES = {TooManyAttemptsError: 429, BusyError: 503}


def verify_current(password: str) -> User:
    """Return the current user, in a write transaction, if this is the password.

    Raises SignInError or RetryLaterError. The caller commits even then, so that a failure counts.
    """
    attempt = sign_in.verify_password(current_user.username, password, login.find_session_client())
    # Lock the database only after the slow comparison of passwords.
    begin_write()
    return sign_in.finish(attempt)


def note_refusal(form: BaseForm, error: CallEventsError, field: str = "current") -> None:
    """Show the error at its field; errors of the password at `field`. Commits, so it counts."""
    db.session.commit()
    if not isinstance(error, InvalidError):
        is_password = isinstance(error, SignInError) and field == "current"
        text = "Current password is incorrect." if is_password else str(error)
        error = InvalidError.of(field, text)
    form.add_errors(error)


def refused(page: str, error: CallEventsError) -> Response:
    """Return the page with the status of the error."""
    response = make_response(page, STATUS_CODES.get(type(error), 422))
    if isinstance(error, RetryLaterError):
        response.headers["Retry-After"] = str(error.wait_seconds)
    return response
