"""Sends the link of an invitation, or of a reset, by e-mail.

At once and not through the notification outbox: its rows would keep the secret in the link, and the
admin could not be shown the link when it cannot be sent.
"""

from dataclasses import dataclass
from email.headerregistry import Address
from smtplib import SMTPException

import structlog

from callevents.config.settings import Settings
from callevents.db.models import User
from callevents.enums import UserState
from callevents.operations.notify.email import new_message, send_message

log = structlog.get_logger("callevents.operations")


@dataclass(frozen=True)
class PasswordLinkMail:
    """The link for a user, who may have an e-mail address."""

    username: str
    #: Empty if unknown.
    email: str
    is_invitation: bool
    url: str

    @classmethod
    def of(cls, user: User, url: str) -> "PasswordLinkMail":
        """Return it with copies of the user's values, so that sending needs no database."""
        is_invitation = user.state is UserState.INVITED
        return cls(user.username, user.email, is_invitation, url)


def send_link(mail: PasswordLinkMail, settings: Settings) -> str:
    """Send the e-mail; return an empty text, or a sentence that says why it was not sent."""
    if not mail.email:
        return "The user has no e-mail address."
    if not settings.smtp_url:
        return "E-mail is not configured."
    message = new_message(_SUBJECTS[mail.is_invitation], settings)
    try:
        message["To"] = Address(addr_spec=mail.email)
    except ValueError:
        return f"{mail.email} is no e-mail address. Change it and make another link."
    message.set_content(
        f"{_REASONS[mail.is_invitation]} Your username is {mail.username}.\n\n"
        f"Open this link to choose a password:\n{mail.url}\n\n"
        "The link works once, within 48 hours. If you did not expect this e-mail, ignore it.\n"
    )
    try:
        send_message(message, settings)
    except (OSError, SMTPException) as error:
        log.warning("could not send a password link", user=mail.username, error=str(error))
        return f"The e-mail to {mail.email} could not be sent: {error}."
    return ""


_SUBJECTS = {True: "Your invitation to Call Events", False: "Your password for Call Events"}
_REASONS = {
    True: "You are invited to Call Events.",
    False: "An admin has reset your password for Call Events.",
}
