"""A conversation with Asterisk's Manager Interface."""

from hashlib import md5

from callevents.vendors.asterisk.ami import BANNER, AmiParser
from callevents.vendors.asterisk.extension_list import (
    ACTIONS,
    NO_ENDPOINTS,
    UNKNOWN_ACTION,
    is_end,
    read_entry,
)
from callevents.vendors.tracking.fields import Message
from callevents.vendors.tracking.session import RefusedError, Session, SessionError, quote

CHALLENGE, LOGIN, EVENTS, LIST, PING = (
    f"callevents-{name}" for name in ("challenge", "login", "events", "list", "ping")
)


class AmiSession(Session):
    """Logs in by challenge, so that the secret itself is not sent, and asks for class `call`.

    Only where the connection is encrypted, a PBX that knows no challenge gets the secret.
    """

    greeting = BANNER.encode()
    label = "Asterisk Manager Interface (AMI)"

    def __init__(self, *, username: str, secret: str, is_encrypted: bool = False) -> None:
        super().__init__(AmiParser(), username=username, secret=secret, is_encrypted=is_encrypted)

    def ping(self) -> None:
        """Ask for a sign of life, which needs no permission."""
        self._act("Ping", PING)

    def ask_extensions(self) -> None:
        """Ask for all lists at once: what Asterisk is made of, it answers."""
        self.extensions.begin(ACTIONS)
        for action_id, action in ACTIONS.items():
            self._act(action, action_id)

    def explain_refusal(self, words: str) -> str:
        """Return the sentence."""
        return (
            f"Asterisk lists no extensions: it said {words}. Give the user write = reporting in "
            "manager.conf, and Call Events can propose them."
        )

    def _greeted(self) -> None:
        self._act("Challenge", CHALLENGE, AuthType="MD5")

    def _answer(self, message: Message) -> bool:
        if message.get("ActionID") in ACTIONS:
            self._gather(message, message["ActionID"])
            return False
        if "Response" not in message:
            return "Event" in message and self.is_ready
        is_success = message["Response"] == "Success"
        action = message.get("ActionID")
        if action == CHALLENGE:
            self._log_in(message.get("Challenge", "") if is_success else "", message)
        elif action == LOGIN:
            self._logged_in(message, is_success=is_success)
        elif action == EVENTS and not is_success:
            raise SessionError(f"Asterisk sends no events: it said {_words(message)}.")
        elif action == LIST and not is_success:
            self.notice = (
                f"Asterisk does not list the running calls: it said {_words(message)}. Give the "
                "user write = reporting in manager.conf; without the list, calls that end while "
                "the connection is cut have no hangup."
            )
        return False

    def _gather(self, message: Message, action_id: str) -> None:
        """Take an entry of a list, its end, or a refusal: Asterisk knows not all, nor allows it."""
        if message.get("Response", "Success") != "Success":
            said = message.get("Message", "")
            words = "" if said == NO_ENDPOINTS else _words(message)
            self.extensions.end(action_id, words, is_unknown=said.startswith(UNKNOWN_ACTION))
        elif is_end(message):
            self.extensions.end(action_id)
        elif (one := read_entry(message)) is not None:
            self.extensions.add(one)

    def _log_in(self, challenge: str, message: Message) -> None:
        values = {"Username": self.username, "Events": "off"}
        if challenge:
            # What Asterisk's challenge asks for; the connection's own safety is TLS's business.
            digest = md5((challenge + self.secret).encode(), usedforsecurity=False).hexdigest()
            values |= {"AuthType": "MD5", "Key": digest}
        elif self.is_encrypted:
            values["Secret"] = self.secret
        else:
            raise SessionError(
                f"Asterisk gives no challenge to log in with: it said {_words(message)}. Use TLS, "
                "so that the secret can be sent."
            )
        self._act("Login", LOGIN, **values)

    def _logged_in(self, message: Message, *, is_success: bool) -> None:
        if not is_success:
            raise RefusedError(
                f"Asterisk refuses the user {self.username!r}: it said {_words(message)}. Check "
                "the name, the secret, and permit in manager.conf."
            )
        self.is_ready = True
        self._act("Events", EVENTS, EventMask="call")
        self._act("CoreShowChannels", LIST)

    def _act(self, action: str, action_id: str, **values: str) -> None:
        lines = {"Action": action, "ActionID": action_id, **values}
        self._say("".join(f"{name}: {value}\r\n" for name, value in lines.items()) + "\r\n")


def _words(message: Message) -> str:
    return quote(message.get("Message", message.get("Response", "")))
