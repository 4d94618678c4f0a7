"""A simulated FreeSWITCH: channels, and their events."""

from dataclasses import dataclass, field

from callevents.vendors.freeswitch import FreeswitchTracker
from callevents.vendors.tracking.events import TrackedEvent
from callevents.vendors.tracking.extension_set import ExtensionSet
from callevents.vendors.tracking.fields import Message
from tests.vendors.asterisk.simulator import describe


@dataclass
class Channel:
    """A channel as its events describe it."""

    uid: str
    name: str
    direction: str
    number: str
    dialled: str
    presence: str = ""
    parent: "Channel | None" = None
    more: Message = field(default_factory=dict)
    is_answered: bool = False

    def fields(self) -> Message:
        """Return the fields of every event of the channel."""
        values = {
            "Unique-ID": self.uid,
            "Channel-Name": self.name,
            "Call-Direction": self.direction,
            "Channel-Call-UUID": self.parent.uid if self.parent else self.uid,
            "Caller-Caller-ID-Number": self.number,
            "Caller-Destination-Number": self.dialled,
            **self.more,
        }
        if self.presence:
            values["Channel-Presence-ID"] = self.presence
        if self.parent:
            values["Other-Type"] = "originator"
            values["Other-Leg-Unique-ID"] = self.parent.uid
            values["Other-Leg-Destination-Number"] = self.parent.dialled
        return values


@dataclass
class Freeswitch:
    """Feeds events to a tracker, and collects the call events."""

    tracker: FreeswitchTracker = field(
        default_factory=lambda: FreeswitchTracker(ExtensionSet(map(str, range(101, 110))))
    )
    events: list[TrackedEvent] = field(default_factory=list)
    clock: float = 1_800_000_000.0
    count: int = 0

    def say(self, event: str, **values: str) -> None:
        """Feed an event to the tracker."""
        stamp = str(int(self.clock * 1_000_000))
        message = {"Event-Name": event, "Event-Date-Timestamp": stamp, **values}
        self.events += self.tracker.feed(message)

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.clock += seconds

    def begin(self, channel: Channel) -> Channel:
        """Create a channel."""
        self.say("CHANNEL_CREATE", **channel.fields())
        return channel

    def phone_calls(self, extension: str, dialled: str) -> Channel:
        """Have a phone call us."""
        return self.begin(
            Channel(
                self.next_id(),
                f"sofia/internal/{extension}@pbx.local",
                "inbound",
                extension,
                dialled,
                f"{extension}@pbx.local",
            )
        )

    def trunk_calls(self, number: str = "0612345678", dialled: str = "5551001") -> Channel:
        """Make an outside call to the PBX."""
        name = f"sofia/external/{number}@192.0.2.1"
        return self.begin(Channel(self.next_id(), name, "inbound", number, dialled))

    def call(
        self, extension: str, parent: Channel | None = None, *, number: str = "", **more: str
    ) -> Channel:
        """Call a phone, for another channel or for none."""
        number = number or (parent.number if parent else "0000000000")
        return self.begin(
            Channel(
                self.next_id(),
                f"sofia/internal/{extension}@192.0.2.9:5060",
                "outbound",
                number,
                extension,
                f"{extension}@pbx.local",
                parent,
                more,
            )
        )

    def call_trunk(self, number: str, parent: Channel) -> Channel:
        """Call an outside number."""
        name = f"sofia/external/{number}"
        return self.begin(
            Channel(self.next_id(), name, "outbound", parent.number, number, "", parent)
        )

    def call_loopback(self, dialled: str, parent: Channel) -> Channel:
        """Call a number of the dialplan through a loopback; return the half that dials on."""
        outer_id, inner_id = self.next_id(), self.next_id()
        name, partner = f"loopback/{dialled}", "variable_other_loopback_leg_uuid"
        self.begin(
            Channel(
                outer_id,
                name + "-a",
                "outbound",
                parent.number,
                dialled,
                "",
                parent,
                {partner: inner_id},
            )
        )
        return self.begin(
            Channel(
                inner_id,
                name + "-b",
                "inbound",
                parent.number,
                dialled,
                "",
                None,
                {partner: outer_id},
            )
        )

    def answer(self, *channels: Channel) -> None:
        """Have channels answered."""
        for channel in channels:
            channel.is_answered = True
            self.say("CHANNEL_ANSWER", **channel.fields())

    def bridge(self, one: Channel, other: Channel) -> None:
        """Connect two channels."""
        ids = {"Bridge-A-Unique-ID": one.uid, "Bridge-B-Unique-ID": other.uid}
        self.say("CHANNEL_BRIDGE", **one.fields(), **ids)

    def hang_up(self, *channels: Channel, cause: str = "NORMAL_CLEARING", q850: str = "16") -> None:
        """End channels."""
        for channel in channels:
            self.say(
                "CHANNEL_HANGUP_COMPLETE",
                **channel.fields(),
                **{
                    "Hangup-Cause": cause,
                    "variable_hangup_cause_q850": q850,
                    "variable_billsec": "1" if channel.is_answered else "0",
                },
            )

    def take_events(self) -> list[str]:
        """Return the events since the last call, as words."""
        events, self.events = self.events, []
        return [describe(event) for event in events]

    def next_id(self) -> str:
        """Return the id of the next channel."""
        self.count += 1
        return f"00000000-0000-4000-8000-{self.count:012}"
