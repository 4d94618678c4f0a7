"""A test server that speaks Asterisk's Manager Interface."""

from hashlib import md5

from callevents.vendors.asterisk.block import SNAPSHOT
from callevents.vendors.tracking.fields import Message
from tests.support.pbx_server import Client, PbxServer

CHALLENGE = "841415273"


class AmiServer(PbxServer):
    """Accepts MD5 logins of `callevents`, and lists the channels of its stream."""

    separator = b"\r\n\r\n"
    challenge = CHALLENGE

    def greet(self, client: Client) -> None:
        """Send the banner."""
        client.send(b"Asterisk Call Manager/9.0.0\r\n")

    def answer(self, client: Client, command: str) -> None:
        """Execute the action."""
        asked = _read(command)
        action = getattr(self, f"_on_{asked['Action'].lower()}", None)
        assert action is not None, f"an action that no listener should ask for: {command}"
        action(client, asked)

    def read(self, part: bytes) -> Message:
        """Return the message of a part of a stream."""
        return _read(part.decode().strip("\r\n"))

    def note(self, message: Message) -> None:
        """Track running channels, their applications and bridges."""
        uid = message.get("Uniqueid", "")
        kind = message.get("Event")
        if kind == "Newchannel":
            self.running[uid] = {"Application": "", "BridgeId": ""}
        for prefix in ("", "Dest"):
            row = self.running.get(message.get(prefix + "Uniqueid", ""))
            if row is not None:
                size = len(prefix)
                named = {k[size:]: v for k, v in message.items() if k.startswith(prefix)}
                row.update({name: named[name] for name in SNAPSHOT if name in named})
        if kind == "Hangup":
            self.running.pop(uid, None)
        elif kind == "DialBegin":
            self._set(uid, Application="Dial")
            self._set(message["DestUniqueid"], Application="AppDial")
        elif kind in {"BridgeEnter", "BridgeLeave"}:
            self._set(uid, BridgeId=message["BridgeUniqueid"] * (kind == "BridgeEnter"))

    def _set(self, uid: str, **values: str) -> None:
        if uid in self.running:
            self.running[uid].update(values)

    def _on_challenge(self, client: Client, asked: Message) -> None:
        assert asked["AuthType"] == "MD5"
        if self.challenge:
            self._respond(client, asked, "Success", Challenge=self.challenge)
        else:
            self._respond(client, asked, "Error", Message="Invalid/unknown command: Challenge")

    def _on_login(self, client: Client, asked: Message) -> None:
        key = md5((self.challenge + self.secret).encode()).hexdigest()
        proof = {"Key": key} if self.challenge else {"Secret": self.secret}
        if asked["Username"] == "callevents" and proof.items() <= asked.items():
            self._respond(client, asked, "Success", Message="Authentication accepted")
            booted = {"Event": "FullyBooted", "Privilege": "system,all", "Status": "Fully Booted"}
            client.send(_write(booted))
        else:
            self._respond(client, asked, "Error", Message="Authentication failed")
            client.cut()

    def _on_events(self, client: Client, asked: Message) -> None:
        assert asked["EventMask"] == "call,agent"
        self._respond(client, asked, "Success", Events="On")
        client.hears = True

    def _on_ping(self, client: Client, asked: Message) -> None:
        self._respond(client, asked, "Success", Ping="Pong", Timestamp="1795402057.373082")

    def _on_coreshowchannels(self, client: Client, asked: Message) -> None:
        if not self.lists_calls:
            self._respond(client, asked, "Error", Message="Permission denied")
        else:
            self._respond(client, asked, "Success", EventList="start", Message="Channels follow")
            action_id = {"ActionID": asked["ActionID"]}
            for uid, row in list(self.running.items()):
                known = {**row, "Uniqueid": uid}
                snapshot = {name: known.pop(name, "") for name in SNAPSHOT}
                client.send(_write({"Event": "CoreShowChannel", **action_id, **snapshot, **known}))
            end = {"Event": "CoreShowChannelsComplete", **action_id, "EventList": "Complete"}
            client.send(_write({**end, "ListItems": str(len(self.running))}))
        client.has_list = True

    def _on_pjsipshowendpoints(self, client: Client, asked: Message) -> None:
        self._list_phones(client, asked, "EndpointList", "EndpointListComplete")

    def _on_sippeers(self, client: Client, asked: Message) -> None:
        self._list_phones(client, asked, "PeerEntry", "PeerlistComplete")

    def _on_devicestatelist(self, client: Client, asked: Message) -> None:
        self._list_phones(client, asked, "DeviceStateChange", "DeviceStateListComplete")

    def _list_phones(self, client: Client, asked: Message, entry: str, end: str) -> None:
        """List them as Asterisk does, or respond with its error."""
        action = asked["Action"]
        if self.denies_lists or action not in self.phones:
            unknown = f"Invalid/unknown command: {action}. Use Action: ListCommands to show more."
            self._respond(client, asked, "Error", Message=self.denies_lists or unknown)
            return
        self._respond(client, asked, "Success", EventList="start", Message="A list will follow")
        action_id = {"ActionID": asked["ActionID"]}
        phones = self.phones[action]
        half = len(phones) // 2
        for phone in phones[:half]:
            client.send(_write({"Event": entry, **action_id, **phone}))
        self.interrupt(client)
        for phone in phones[half:]:
            client.send(_write({"Event": entry, **action_id, **phone}))
        ended = {"Event": end, **action_id, "EventList": "Complete", "ListItems": str(len(phones))}
        client.send(_write(ended))

    def _respond(self, client: Client, asked: Message, word: str, **values: str) -> None:
        client.send(_write({"Response": word, "ActionID": asked["ActionID"], **values}))


def _read(text: str) -> Message:
    pairs = (line.partition(":") for line in text.split("\r\n"))
    return {name: value.strip() for name, _, value in pairs}


def _write(message: Message) -> bytes:
    return "".join(f"{k}: {v}\r\n" for k, v in message.items()).encode() + b"\r\n"


def cut_ami(stream: bytes) -> list[bytes]:
    """Return a recorded stream as parts of one message each."""
    return [part + b"\r\n\r\n" for part in stream.split(b"\r\n\r\n") if part]
