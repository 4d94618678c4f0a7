"""The fixed vocabularies: event types, methods, states, roles."""

from enum import IntEnum, StrEnum


class EventType(IntEnum):
    """The five call events; the numbers are VoipNow's codes."""

    DIAL_IN = 0
    DIAL_OUT = 1
    HANGUP = 2
    ANSWER_IN = 3
    ANSWER_OUT = 4

    @property
    def slug(self) -> str:
        """The name used outside: in requests, answers, commands and addresses."""
        return self.name.lower().replace("_", "-")

    @property
    def label(self) -> str:
        """The name that people read."""
        return _EVENT_LABELS[self]

    @property
    def short_label(self) -> str:
        """A name for narrow places, such as a column head."""
        return _EVENT_SHORT_LABELS[self]

    @property
    def call_flow(self) -> str:
        """VoipNow's CallFlow where the event itself tells it: IN, OUT, or empty."""
        return _EVENT_FLOWS[self]

    @classmethod
    def from_slug(cls, slug: str) -> "EventType":
        """Return the type of that name; raises KeyError for any other text."""
        return cls[slug.upper().replace("-", "_")]


_EVENT_LABELS = {
    EventType.DIAL_IN: "Dial-In",
    EventType.DIAL_OUT: "Dial-Out",
    EventType.HANGUP: "Hangup",
    EventType.ANSWER_IN: "Answer on incoming call",
    EventType.ANSWER_OUT: "Answer on outgoing call (by the other party)",
}
_EVENT_SHORT_LABELS = {
    EventType.DIAL_IN: "Dial-In",
    EventType.DIAL_OUT: "Dial-Out",
    EventType.HANGUP: "Hangup",
    EventType.ANSWER_IN: "Answer in",
    EventType.ANSWER_OUT: "Answer out",
}
_EVENT_FLOWS = {
    EventType.DIAL_IN: "IN",
    EventType.DIAL_OUT: "OUT",
    EventType.HANGUP: "",
    EventType.ANSWER_IN: "IN",
    EventType.ANSWER_OUT: "OUT",
}

#: The order of the original's table.
TABLE_ORDER = (
    EventType.DIAL_OUT,
    EventType.DIAL_IN,
    EventType.HANGUP,
    EventType.ANSWER_IN,
    EventType.ANSWER_OUT,
)


class Method(StrEnum):
    """How a hook makes its request."""

    GET = "GET"
    POST = "POST"


class BodyFormat(StrEnum):
    """How a POST carries the parameters."""

    FORM = "form"
    JSON = "json"


class ParameterSet(StrEnum):
    """Which parameters a request carries: all, VoipNow's ten, or none."""

    ALL = "all"
    VOIPNOW = "voipnow"
    NONE = "none"


class AuthKind(StrEnum):
    """How a request proves to the receiver who sends it."""

    NONE = "none"
    BASIC = "basic"
    BEARER = "bearer"


class Format(StrEnum):
    """The report format of a PBX: the native one, or a vendor's."""

    GENERIC = "generic"
    VOIPNOW = "voipnow"
    FREESWITCH = "freeswitch"
    KAMAILIO = "kamailio"
    YEASTAR = "yeastar"
    WAZO = "wazo"
    KAZOO = "kazoo"
    TWILIO = "twilio"
    SIPGATE = "sipgate"
    THREE_CX = "3cx"
    PHONES = "phones"

    @property
    def label(self) -> str:
        """The name that people read."""
        return _FORMAT_LABELS[self]


_FORMAT_LABELS = {
    Format.GENERIC: "Native format",
    Format.VOIPNOW: "VoipNow, Telphin, RingMe",
    Format.FREESWITCH: "FreeSWITCH hooks and call records",
    Format.KAMAILIO: "Kamailio",
    Format.YEASTAR: "Yeastar P-Series",
    Format.WAZO: "Wazo",
    Format.KAZOO: "Kazoo",
    Format.TWILIO: "Twilio, SignalWire, jambonz",
    Format.SIPGATE: "sipgate.io",
    Format.THREE_CX: "3CX with a webhook reporter",
    Format.PHONES: "Phones' Action URLs (Yealink, Grandstream, Snom, Akuvox)",
}


class CallStatus(StrEnum):
    """VoipNow's CallStatus values."""

    CALLING = "CALLING"
    ANSWER = "ANSWER"
    BUSY = "BUSY"
    NOANSWER = "NOANSWER"
    CANCEL = "CANCEL"
    CONGESTION = "CONGESTION"
    CHANUNAVAIL = "CHANUNAVAIL"


class CallFlow(StrEnum):
    """VoipNow's CallFlow values: received by the extension, or made by it."""

    IN = "IN"
    OUT = "OUT"


class DeliveryState(StrEnum):
    """Where a delivery stands. Only pending ones are still to be sent."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Channel(StrEnum):
    """How people are notified."""

    MAIL = "mail"
    HTTP = "http"


class ConnectorKind(StrEnum):
    """Whose stream of messages a connector reads."""

    ASTERISK = "asterisk"
    FREESWITCH = "freeswitch"

    @property
    def label(self) -> str:
        """The name that people read."""
        return {"asterisk": "Asterisk (AMI)", "freeswitch": "FreeSWITCH (event socket)"}[self]

    @property
    def port(self) -> int:
        """The port that the maker uses."""
        return {"asterisk": 5038, "freeswitch": 8021}[self]


class ConnectorState(StrEnum):
    """How a connector fares, as the listener that leads says."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    #: The last try failed, and the next one comes after a pause.
    PAUSING = "pausing"


class ListedState(StrEnum):
    """Where a delivery stands as people see it: pending ones wait, are sent or are retried."""

    WAITING = "waiting"
    RETRYING = "retrying"
    SENDING = "sending"
    #: All that is still to be sent: any of the three above.
    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Role(StrEnum):
    """What a user may do: an admin everything, a viewer only look."""

    ADMIN = "admin"
    VIEWER = "viewer"
