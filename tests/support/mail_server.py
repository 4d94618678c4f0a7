"""A real mail server."""

from email import message_from_bytes, policy
from email.message import EmailMessage

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, Session

from tests.support.ports import find_free_port
from tests.support.waiting import DEADLINE_SECONDS


class MailServer:
    """A mail server on a socket that stores or rejects mails."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.refusal = ""
        self.logins: list[tuple[object, ...]] = []
        self.controller = Controller(
            self,
            hostname="127.0.0.1",
            port=find_free_port(),
            authenticator=self._log_in,
            ready_timeout=DEADLINE_SECONDS,
        )
        self.controller.start()

    @property
    def url(self) -> str:
        """The setting that sends mail here."""
        return f"smtp://127.0.0.1:{self.controller.port}"

    async def handle_DATA(self, _server: object, _session: Session, envelope: Envelope) -> str:  # noqa: N802  # aiosmtpd's name
        """Store the mail, or refuse it."""
        if self.refusal:
            return self.refusal
        content = envelope.content
        assert isinstance(content, bytes)
        mail = message_from_bytes(content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        return "250 OK"

    def _log_in(self, *seen: object) -> AuthResult:
        self.logins.append(seen)
        return AuthResult(success=False)
