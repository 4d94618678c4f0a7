"""Hand a password link over: by e-mail, or shown once to the admin. Used by commands too."""

from dataclasses import dataclass

from callevents.db.models import User
from callevents.extensions import app_state, db
from callevents.operations.notify.password_link import PasswordLinkMail, send_link
from callevents.web.public_url import find_kind, password_link_url


@dataclass(frozen=True)
class HandedOver:
    """The link, and whether it was sent."""

    mail: PasswordLinkMail
    #: Why it was not sent; empty if it was.
    problem: str

    @property
    def is_sent(self) -> bool:
        """True if the e-mail was sent: then nobody else needs to see the link."""
        return not self.problem


def commit_and_hand_over(user: User, token: str) -> HandedOver:
    """Commit the new link, and send it if that is possible."""
    url = password_link_url(token)
    mail = PasswordLinkMail.of(user, url)
    # Before the e-mail is sent: the link must work by then, and a mail server may be slow.
    db.session.commit()
    settings = app_state().settings
    if mail.email and find_kind(url) and not settings.public_url:
        return HandedOver(mail, "To send links by e-mail, set CALLEVENTS_PUBLIC_URL.")
    return HandedOver(mail, send_link(mail, settings))
