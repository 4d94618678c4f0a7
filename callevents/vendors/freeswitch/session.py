"""A conversation with FreeSWITCH's event socket."""

from collections import deque
from collections.abc import Callable
from functools import partial

from callevents.vendors.freeswitch.esl import BODY, MAX_BODY_BYTES, EventSocketParser
from callevents.vendors.freeswitch.extension_list import COMMANDS, UNKNOWN_COMMAND
from callevents.vendors.tracking.extension_list import Listed
from callevents.vendors.tracking.fields import Message
from callevents.vendors.tracking.session import RefusedError, Session, SessionError, quote

#: What the tracker needs, and what tells that a leg still runs.
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
ANSWERS = {"command/reply", "api/response"}


class EventSocketSession(Session):
    """Logs in, asks for the channel events, and for the running channels."""

    greeting = b"Content-Type: "
    label = "FreeSWITCH event socket"

    def __init__(self, *, username: str, secret: str, is_encrypted: bool = False) -> None:
        super().__init__(
            EventSocketParser(), username=username, secret=secret, is_encrypted=is_encrypted
        )
        #: What waits for an answer: FreeSWITCH answers in the order in which it was asked.
        self._asked: deque[Callable[[str], bool]] = deque()

    def ping(self) -> None:
        """Ask for a sign of life."""
        self._ask("api uptime", lambda _words: False)

    def ask_extensions(self) -> None:
        """Ask for the users of the directory, and for the phones that are registered."""
        self.extensions.begin(COMMANDS)
        for command, read in COMMANDS.items():
            self._ask(command, partial(self._gather, command, read))

    def explain_refusal(self, words: str) -> str:
        """Return the sentence."""
        return (
            f"FreeSWITCH lists no extensions: it said {words}. Put list_users and show into "
            "esl-allowed-api, and Call Events can propose them."
        )

    def _greeted(self) -> None:
        """Wait: FreeSWITCH asks who we are."""

    def _answer(self, message: Message) -> bool:
        kind = message.get("Content-Type", "")
        if "Event-Name" in message:
            return self.is_ready
        if kind == "auth/request":
            # Asked again before it has the answer, there is nothing more to say.
            if not self._asked:
                self._ask(self._credentials(), self._logged_in)
        elif kind == "text/rude-rejection":
            raise RefusedError(
                "FreeSWITCH refuses our address. Put it into the list named in "
                "apply-inbound-acl of event_socket.conf.xml."
            )
        elif kind == "text/disconnect-notice":
            raise SessionError("FreeSWITCH has ended the connection.")
        elif kind in ANSWERS and self._asked:
            self._check_whole(message)
            words = message.get(BODY, "") or message.get("Reply-Text", "")
            return self._asked.popleft()(words)
        return False

    def _check_whole(self, message: Message) -> None:
        """Raise SessionError for an answer whose body is not read: it would count for another."""
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
        self._ask(f"event plain {' '.join(EVENTS)}", self._subscribed)
        return False

    def _subscribed(self, words: str) -> bool:
        if not words.startswith("+OK"):
            raise SessionError(f"FreeSWITCH sends no events: it said {quote(words)}.")
        self.is_ready = True
        self._ask("api show channels as json", self._listed)
        return False

    def _listed(self, words: str) -> bool:
        if words.lstrip().startswith("{"):
            return True
        self.notice = (
            f"FreeSWITCH does not list the running calls: it said {quote(words)}. Without the "
            "list, calls that end while the connection is cut have no hangup."
        )
        return False

    def _gather(self, command: str, read: Callable[[str], list[Listed] | None], words: str) -> bool:
        """Take a list. A phone that the directory has counts by its domain there."""
        listed = read(words)
        numbers = self.extensions.numbers
        for one in listed or ():
            if one.number not in numbers:
                self.extensions.add(one)
        refusal = quote(words) if listed is None else ""
        self.extensions.end(command, refusal, is_unknown=UNKNOWN_COMMAND in refusal)
        return False

    def _ask(self, command: str, then: Callable[[str], bool]) -> None:
        self._asked.append(then)
        self._say(f"{command}\n\n")
