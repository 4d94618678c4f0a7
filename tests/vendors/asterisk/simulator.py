"""A simulated Asterisk: channels, and their AMI messages."""

from dataclasses import dataclass, field

from callevents.vendors.asterisk import AsteriskTracker
from callevents.vendors.tracking.events import TrackedEvent
from callevents.vendors.tracking.extension_set import ExtensionSet
from callevents.vendors.tracking.fields import Message

STATES = {"0": "Down", "3": "Dialing", "4": "Ring", "5": "Ringing", "6": "Up"}
UNKNOWN = "<unknown>"


@dataclass
class Channel:
    """A channel as its messages describe it."""

    name: str
    uid: str
    linked: str
    state: str
    number: str
    exten: str
    connected: str = ""

    def fields(self, prefix: str = "") -> Message:
        """Return the fields of every message about the channel."""
        return {
            f"{prefix}Channel": self.name,
            f"{prefix}ChannelState": self.state,
            f"{prefix}ChannelStateDesc": STATES[self.state],
            f"{prefix}CallerIDNum": self.number or UNKNOWN,
            f"{prefix}CallerIDName": f"Phone {self.number}" if self.number else UNKNOWN,
            f"{prefix}ConnectedLineNum": self.connected or UNKNOWN,
            f"{prefix}Exten": self.exten,
            f"{prefix}Uniqueid": self.uid,
            f"{prefix}Linkedid": self.linked,
        }


@dataclass
class Asterisk:
    """Feeds messages to a tracker, and collects the events."""

    tracker: AsteriskTracker = field(
        default_factory=lambda: AsteriskTracker(ExtensionSet(map(str, range(101, 110))))
    )
    events: list[TrackedEvent] = field(default_factory=list)
    clock: float = 1_800_000_000.0
    count: int = 0

    def say(self, event: str, **values: str) -> None:
        """Feed a message to the tracker."""
        message = {"Event": event, "Timestamp": f"{self.clock:.6f}", **values}
        self.events += self.tracker.feed(message)

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.clock += seconds

    def begin(
        self,
        name: str,
        exten: str = "",
        *,
        state: str = "4",
        parent: Channel | None = None,
        number: str = "",
    ) -> Channel:
        """Create a channel of a phone that calls (state 4), or that the PBX will call (0)."""
        self.count += 1
        uid = f"1800000000.{self.count}"
        full = name if name.startswith("Local/") else f"{name}-{self.count:08x}"
        endpoint = name.rpartition("/")[2]
        number = number or (endpoint if endpoint.isdigit() else "")
        channel = Channel(full, uid, parent.linked if parent else uid, state, number, exten)
        self.say("Newchannel", **channel.fields())
        return channel

    def begin_local(self, exten: str, *, parent: Channel | None = None) -> tuple[Channel, Channel]:
        """Create both halves of a Local channel."""
        name = f"Local/{exten}@context-{self.count:08x}"
        one = self.begin(f"{name};1", exten, state="0", parent=parent)
        two = self.begin(f"{name};2", exten, state="4", parent=one)
        return one, two

    def dial(self, caller: Channel | None, called: Channel, *, exten: str = "") -> None:
        """Begin to ring a channel, for another or for the PBX itself."""
        if caller is not None:
            called.connected = called.connected or caller.number
            caller.exten = exten or caller.exten
        values = caller.fields() if caller else {}
        self.say("DialBegin", **values, **called.fields("Dest"), DialString=called.number)

    def end_dial(self, caller: Channel | None, called: Channel, status: str = "ANSWER") -> None:
        """End to ring a channel."""
        values = caller.fields() if caller else {}
        self.say("DialEnd", **values, **called.fields("Dest"), DialStatus=status)

    def answer(self, caller: Channel | None, called: Channel) -> None:
        """Have a rung channel answered."""
        called.state = "6"
        self.say("Newstate", **called.fields())
        self.end_dial(caller, called)
        if caller is not None:
            caller.state = "6"
            self.say("Newstate", **caller.fields())

    def connect(self, channel: Channel, number: str) -> None:
        """Connect a channel to another number."""
        channel.connected = number
        self.say("NewConnectedLine", **channel.fields())

    def hang_up(self, *channels: Channel, cause: int = 16) -> None:
        """End channels."""
        for channel in channels:
            self.say("Hangup", **channel.fields(), Cause=str(cause))

    def list_channels(self, *channels: tuple[Channel, str, str]) -> None:
        """Answer to CoreShowChannels with channels, their applications and bridges."""
        for channel, application, bridge in channels:
            self.say(
                "CoreShowChannel", **channel.fields(), Application=application, BridgeId=bridge
            )
        self.say("CoreShowChannelsComplete", EventList="Complete", ListItems=str(len(channels)))

    def take_events(self) -> list[str]:
        """Return the events since the last call, as words."""
        events, self.events = self.events, []
        return [describe(event) for event in events]


def describe(event: TrackedEvent) -> str:
    """Return the event in words: extension, event, peer, and of a hangup cause and answer."""
    report = event.report
    words = [report.extension, report.event_type.slug, report.peer]
    if event.answered is not None:
        words += [str(report.cause), "answered" if event.answered else "unanswered"]
    return " ".join(words)
