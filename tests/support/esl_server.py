"""A test server that speaks FreeSWITCH's event socket."""

import json
import re
from urllib.parse import unquote

from callevents.vendors.tracking.fields import Message
from tests.support.pbx_server import Client, PbxServer


class EslServer(PbxServer):
    """Accepts a password, or user and password, and lists the channels of its stream."""

    separator = b"\n\n"
    username = ""
    #: Rejection of addresses that are not allowed.
    rejects = False

    def greet(self, client: Client) -> None:
        """Ask for the password."""
        if self.rejects:
            words = b"Access Denied, go away.\n"
            client.send(_frame("text/rude-rejection", words))
            client.cut()
        else:
            client.send(b"Content-Type: auth/request\n\n")

    def answer(self, client: Client, command: str) -> None:
        """Execute the command."""
        word, _, rest = command.partition(" ")
        if word in {"auth", "userauth"}:
            self._log_in(client, command)
        elif command.startswith("event plain CHANNEL_CREATE "):
            client.send(_reply("+OK event listener enabled plain"))
            client.hears = True
        elif (word, rest) == ("api", "show channels as json"):
            self._list(client)
        elif (word, rest) == ("api", "list_users"):
            self._list_users(client)
        elif (word, rest) == ("api", "show registrations as json"):
            self._list_registrations(client)
        else:
            assert (word, rest) == ("api", "uptime"), f"no listener should ask: {command}"
            client.send(_frame("api/response", b"1234"))

    def read(self, part: bytes) -> Message:
        """Return the event of a part of a stream."""
        lines = part.decode().partition("\n\n")[2].partition("\n\n")[0].split("\n")
        pairs = (line.partition(": ") for line in lines if line)
        return {name: unquote(value) for name, _, value in pairs}

    def note(self, message: Message) -> None:
        """Track the running channels."""
        uid = message.get("Unique-ID", "")
        if message.get("Event-Name") == "CHANNEL_CREATE":
            self.running[uid] = {}
        if message.get("Event-Name") == "CHANNEL_HANGUP_COMPLETE":
            self.running.pop(uid, None)
        if uid in self.running:
            named = {name: message[key] for name, key in _LISTED.items() if key in message}
            self.running[uid].update({"uuid": uid, **named})

    def _log_in(self, client: Client, command: str) -> None:
        user = f"userauth {self.username}:{self.secret}" if self.username else f"auth {self.secret}"
        if command == user:
            client.send(_reply("+OK accepted"))
        else:
            client.send(_reply("-ERR invalid"))
            client.cut()

    def _list_users(self, client: Client) -> None:
        """List the directory: a header line and one line for each user."""
        self.interrupt(client)
        users = self.phones.get("list_users")
        if self.denies_lists:
            client.send(_reply(self.denies_lists))
        elif users is None:
            client.send(_frame("api/response", b"-ERR list_users Command not found!\n"))
        else:
            lines = ["|".join(user.get(name, "") for name in USER_COLUMNS) for user in users]
            text = "\n".join(["|".join(USER_COLUMNS), *lines, "", "+OK\n"])
            client.send(_frame("api/response", text.encode()))

    def _list_registrations(self, client: Client) -> None:
        rows = self.phones.get("registrations", [])
        listed = {"row_count": len(rows), "rows": rows} if rows else {"row_count": 0}
        if self.denies_lists:
            client.send(_reply(self.denies_lists))
        else:
            client.send(_frame("api/response", json.dumps(listed).encode()))

    def _list(self, client: Client) -> None:
        rows = [dict(row) for row in list(self.running.values())]
        listed = {"row_count": len(rows), "rows": rows} if rows else {"row_count": 0}
        answer = json.dumps(listed) if self.lists_calls else "-ERR permission denied"
        client.send(_frame("api/response", answer.encode()))
        client.has_list = True


USER_COLUMNS = (
    "userid",
    "context",
    "domain",
    "group",
    "contact",
    "callgroup",
    "effective_caller_id_name",
    "effective_caller_id_number",
)
_LISTED = {
    "direction": "Call-Direction",
    "name": "Channel-Name",
    "presence_id": "Channel-Presence-ID",
    "call_uuid": "Channel-Call-UUID",
    "callstate": "Channel-Call-State",
    "cid_num": "Caller-Caller-ID-Number",
    "dest": "Caller-Destination-Number",
}


def _reply(words: str) -> bytes:
    return f"Content-Type: command/reply\nReply-Text: {words}\n\n".encode()


def _frame(kind: str, body: bytes) -> bytes:
    return f"Content-Type: {kind}\nContent-Length: {len(body)}\n\n".encode() + body


def cut_esl(stream: bytes) -> list[bytes]:
    """Return a recorded stream as parts of one event each."""
    parts = []
    while found := re.search(rb"Content-Length: (\d+)\nContent-Type: [^\n]+\n\n", stream):
        end = found.end() + int(found[1])
        parts.append(stream[found.start() : end])
        stream = stream[end:]
    return parts
