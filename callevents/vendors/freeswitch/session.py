"""A session with FreeSWITCH's event socket."""

from collections import deque
from collections.abc import Callable, Mapping
from functools import partial

from callevents.vendors.freeswitch.esl import BODY, MAX_BODY_BYTES, EventSocketParser
from callevents.vendors.freeswitch.extension_list import COMMANDS, UNKNOWN_COMMAND
from callevents.vendors.tracking.extension_list import Listed, Refusal
from callevents.vendors.tracking.fields import Message
from callevents.vendors.tracking.session import RefusedError, Session, SessionError, quote

#: Events that the tracker needs, and those that show that a leg is still running.
EVENTS = (
    "CHANNEL_CREATE",
    "CHANNEL_PROGRESS",
    "CHANNEL_PROGRESS_MEDIA",
    "CHANNEL_ANSWER",
    "CHANNEL_BRIDGE",
    "CHANNEL_UNBRIDGE",
    "CHANNEL_HANGUP_COMPLETE",
    "CALL_UPDATE",
)
REPLIES = {"command/reply", "api/response"}


class EventSocketSession(Session):
    """Logs in, subscribes to channel events, and requests the running channels."""

    greeting = b"Content-Type: "
    label = "FreeSWITCH event socket"

    def __init__(self, *, username: str, secret: str, is_encrypted: bool = False) -> None:
        super().__init__(
            EventSocketParser(), username=username, secret=secret, is_encrypted=is_encrypted
        )
        #: Handlers of the pending replies: FreeSWITCH replies in the order of the commands.
        self._pending: deque[Callable[[str], bool]] = deque()

    def ping(self) -> None:
        """Request a response, to check that the connection works."""
        self._send_command("api uptime", lambda _words: False)

    def request_extensions(self) -> None:
        """Request the users of the directory, and the registered phones."""
        self.extensions.begin(COMMANDS)
        for command, read in COMMANDS.items():
            self._send_command(command, partial(self._collect, command, read))

    def explain_refusals(self, refusals: Mapping[str, Refusal]) -> str:
        """Return sentences that explain why FreeSWITCH lists no extensions."""
        said = ", ".join(f"{one.words} to '{command}'" for command, one in refusals.items())
        return (
            f"FreeSWITCH lists no extensions. It said {said}. Put list_users and show into "
            "esl-allowed-api, and Call Events can suggest them."
        )

    def _start_login(self) -> None:
        """Wait for the auth/request."""

    def _handle(self, message: Message) -> bool:
        kind = message.get("Content-Type", "")
        if "Event-Name" in message:
            return self.is_ready
        if kind == "auth/request":
            # A second request before the reply to the login is ignored.
            if not self._pending:
                self._send_command(self._credentials(), self._logged_in)
        elif kind == "text/rude-rejection":
            raise RefusedError(
                "FreeSWITCH refuses our address. Put it into the list named in "
                "apply-inbound-acl of event_socket.conf.xml."
            )
        elif kind == "text/disconnect-notice":
            raise SessionError("FreeSWITCH has ended the connection.")
        elif kind in REPLIES and self._pending:
            self._check_whole(message)
            words = message.get(BODY, "") or message.get("Reply-Text", "")
            return self._pending.popleft()(words)
        return False

    def _check_whole(self, message: Message) -> None:
        """Raise SessionError for a reply without its body: it would be read as another's."""
        announced = message.get("Content-Length", "0")
        if BODY not in message and announced != "0":
            raise SessionError(
                f"FreeSWITCH announces an answer of {quote(announced)} bytes; at most "
                f"{MAX_BODY_BYTES:,} can be read."
            )

    def _credentials(self) -> str:
        if self.username:
            return f"userauth {self.username}:{self.secret}"
        return f"auth {self.secret}"

    def _logged_in(self, words: str) -> bool:
        if not words.startswith("+OK"):
            raise RefusedError(
                f"FreeSWITCH refuses the password: it said {quote(words)}. Check it in "
                "event_socket.conf.xml."
            )
        self._send_command(f"event plain {' '.join(EVENTS)}", self._subscribed)
        return False

    def _subscribed(self, words: str) -> bool:
        if not words.startswith("+OK"):
            raise SessionError(f"FreeSWITCH sends no events: it said {quote(words)}.")
        self.is_ready = True
        self._send_command("api show channels as json", self._listed)
        return False

    def _listed(self, words: str) -> bool:
        if words.lstrip().startswith("{"):
            return True
        self.notice = (
            f"FreeSWITCH does not list the running calls: it said {quote(words)}. Without the "
            "list, calls that end while the connection is cut have no hangup."
        )
        return False

    def _collect(
        self, command: str, read: Callable[[str], list[Listed] | None], words: str
    ) -> bool:
        """Process a list. A phone of the directory keeps the domain that it has there."""
        listed = read(words)
        numbers = self.extensions.numbers
        for one in listed or ():
            if one.number not in numbers:
                self.extensions.add(one)
        refusal = quote(words) if listed is None else ""
        self.extensions.end(command, refusal, is_unknown=UNKNOWN_COMMAND in refusal)
        return False

    def _send_command(self, command: str, then: Callable[[str], bool]) -> None:
        self._pending.append(then)
        self._send(f"{command}\n\n")
