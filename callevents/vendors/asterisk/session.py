"""A session with Asterisk's Manager Interface."""

from collections.abc import Iterator, Mapping
from hashlib import md5
from secrets import token_hex

from callevents.vendors.asterisk.ami import BANNER, AmiParser
from callevents.vendors.asterisk.extension_list import (
    ACTIONS,
    DEVICES,
    NO_ENDPOINTS,
    UNKNOWN_ACTION,
    is_end,
    read_entry,
)
from callevents.vendors.tracking.extension_list import Refusal
from callevents.vendors.tracking.fields import Message
from callevents.vendors.tracking.session import RefusedError, Session, SessionError, quote

CHALLENGE, LOGIN, EVENTS, LIST, PING = (
    f"callevents-{name}" for name in ("challenge", "login", "events", "list", "ping")
)


class AmiSession(Session):
    """Logs in by challenge, so that the secret is not sent, and subscribes to the class `call`.

    A PBX without challenges gets the secret only over an encrypted connection. IDs of actions end
    with a random part, so that a caller's number cannot contain a response to one.
    """

    greeting = BANNER.encode()
    label = "Asterisk Manager Interface (AMI)"

    def __init__(
        self, *, username: str, secret: str, is_encrypted: bool = False, nonce: str = ""
    ) -> None:
        super().__init__(AmiParser(), username=username, secret=secret, is_encrypted=is_encrypted)
        self._suffix = f"-{nonce or token_hex(8)}"
        self._forged_notice = ""

    def receive(self, data: bytes) -> Iterator[Message]:
        """Process the bytes received; yield the messages for the tracker."""
        forged_before = self._parser.forged
        yield from super().receive(data)
        # A list that is missing is more important.
        if self._parser.forged > forged_before and self.notice == self._forged_notice:
            self.notice = self._forged_notice = explain_forged(self._parser.forged)

    def ping(self) -> None:
        """Request a response, which needs no permission."""
        self._act("Ping", PING)

    def request_extensions(self) -> None:
        """Request all lists at once; which of them exist depends on the loaded modules."""
        self.extensions.begin(ACTIONS)
        for action_id, action in ACTIONS.items():
            self._act(action, action_id)

    def explain_refusals(self, refusals: Mapping[str, Refusal]) -> str:
        """Return sentences that explain why Asterisk lists no extensions."""
        said = ", ".join(f"{one.words} to {ACTIONS[name]}" for name, one in refusals.items())
        if refusals[DEVICES].is_unknown:
            advice = "Load the module res_manager_devicestate"
        else:
            advice = "Give the user write = reporting in manager.conf"
        return (
            f"Asterisk lists no extensions. It said {said}. {advice}, and Call Events can suggest "
            "them."
        )

    def _start_login(self) -> None:
        self._act("Challenge", CHALLENGE, AuthType="MD5")

    def _handle(self, message: Message) -> bool:
        action = self._find_action(message)
        if action in ACTIONS:
            self._collect(message, action)
            return False
        if event := message.get("Event"):
            return self.is_ready and (action == LIST or not event.startswith("CoreShowChannel"))
        is_success = message.get("Response") == "Success"
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

    def _collect(self, message: Message, action_id: str) -> None:
        """Process an entry of a list, its end, or an error: a list may be missing or forbidden."""
        if message.get("Response", "Success") != "Success":
            said = message.get("Message", "")
            is_unknown = said.startswith(UNKNOWN_ACTION)
            words = quote(UNKNOWN_ACTION) if is_unknown else _words(message)
            refusal = "" if said == NO_ENDPOINTS else words
            self.extensions.end(action_id, refusal, is_unknown=is_unknown)
        elif is_end(message):
            self.extensions.end(action_id)
        elif (one := read_entry(message)) is not None:
            self.extensions.add(one)

    def _log_in(self, challenge: str, message: Message) -> None:
        values = {"Username": self.username, "Events": "off"}
        if challenge:
            # The protocol requires MD5; TLS protects the connection.
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
        self._act("Events", EVENTS, EventMask="call,agent")
        self._act("CoreShowChannels", LIST)

    def _find_action(self, message: Message) -> str:
        """Return the name of the action that this message answers; empty if it is not ours."""
        name, suffix, rest = message.get("ActionID", "").partition(self._suffix)
        return name if suffix and not rest else ""

    def _act(self, action: str, name: str, **values: str) -> None:
        lines = {"Action": action, "ActionID": name + self._suffix, **values}
        self._send("".join(f"{name}: {value}\r\n" for name, value in lines.items()) + "\r\n")


def explain_forged(count: int) -> str:
    """Return a sentence about text that is not Asterisk's."""
    noun = "message" if count == 1 else "messages"
    return (
        f"{count:,} {noun} contained text that Asterisk would not write, from a caller's number? "
        "It was ignored."
    )


def _words(message: Message) -> str:
    return quote(message.get("Message", message.get("Response", "")))
