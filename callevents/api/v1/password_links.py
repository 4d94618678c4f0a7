"""Links with which users set a password: of an invitation, and of a reset."""

from typing import Any

from flask import url_for

from callevents.api.outer_origin import outer_origin
from callevents.api.v1.call import Call
from callevents.api.v1.models import NoQuery
from callevents.api.v1.operations import operation
from callevents.api.v1.other_users import get_other
from callevents.api.v1.problems import ProblemType
from callevents.api.v1.users_models import LINK_EXAMPLE, PasswordLink
from callevents.api_access.scopes import ApiScope
from callevents.db.models import User, utc_now
from callevents.enums import UserState
from callevents.errors import ConflictError
from callevents.extensions import app_state
from callevents.operations.notify.password_link import PasswordLinkMail, send_link
from callevents.users import invitations
from callevents.users.password_links import LIFETIME, find_expiry

TAG = "Users"


@operation(
    "POST",
    "/users/{username}/invitation",
    scope=ApiScope.USERS_WRITE,
    summary="Invite a user again",
    tag=TAG,
    answer=PasswordLink,
    answer_example=LINK_EXAMPLE,
    problems=frozenset({ProblemType.CONFLICT}),
)
def create_invitation(call: Call[NoQuery, None], username: str) -> PasswordLink:
    """Make another link for a user who has not set a password yet. The old link is invalid."""
    row = get_other(call, username)
    if row.state is not UserState.INVITED:
        raise ConflictError("Only a user whose state is 'invited' has an invitation.")
    return hand_over(call, row, invitations.reset_password(row))


@operation(
    "POST",
    "/users/{username}/password-reset",
    scope=ApiScope.USERS_WRITE,
    summary="Reset a user's password",
    tag=TAG,
    answer=PasswordLink,
    answer_example=LINK_EXAMPLE,
    problems=frozenset({ProblemType.CONFLICT}),
)
def create_password_reset(call: Call[NoQuery, None], username: str) -> PasswordLink:
    """Remove the password of a user, sign the user out, and make a link to set another one.

    It is 409 for disabled users, for users of single sign-on, who have no password here, and for
    the owner of the calling token.
    """
    row = get_other(call, username)
    return hand_over(call, row, invitations.reset_password(row))


def hand_over(call: Call[Any, Any], user: User, token: str) -> PasswordLink:
    """Return the link with this token, which is sent by e-mail after the commit if possible.

    The answer has it in any case: it is stored with the change, so it cannot say whether an e-mail
    arrived.
    """
    settings = app_state().settings
    link = outer_origin() + url_for("welcome.show", token=token)
    mail = PasswordLinkMail.of(user, link)
    # The host of the request is the caller's word, so only the setting gets into an e-mail.
    is_sent = bool(mail.email and settings.smtp_url and settings.public_url)
    if is_sent:
        call.after_commit(lambda: send_link(mail, settings))
    return PasswordLink(
        link=link,
        expires_at=find_expiry(user) or utc_now() + LIFETIME,
        email_to=mail.email if is_sent else None,
    )
