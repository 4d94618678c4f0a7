"""Enumerations: event types, methods, formats, states, roles."""

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
        """The name in requests, responses, commands and URLs."""
        return self.name.lower().replace("_", "-")

    @property
    def label(self) -> str:
        """The name in pages and messages."""
        return _EVENT_LABELS[self]

    @property
    def short_label(self) -> str:
        """A short name, for example for a column header."""
        return _EVENT_SHORT_LABELS[self]

    @property
    def call_flow(self) -> str:
        """VoipNow's CallFlow if the event type determines it: IN, OUT, or empty."""
        return _EVENT_FLOWS[self]

    @classmethod
    def from_slug(cls, slug: str) -> "EventType":
        """Return the event type with this slug; raises KeyError."""
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

#: The order in which event types are listed, as in VoipNow.
TABLE_ORDER = (
    EventType.DIAL_OUT,
    EventType.DIAL_IN,
    EventType.HANGUP,
    EventType.ANSWER_IN,
    EventType.ANSWER_OUT,
)


class Method(StrEnum):
    """HTTP method of a hook."""

    GET = "GET"
    POST = "POST"


class BodyFormat(StrEnum):
    """Body format of a POST."""

    FORM = "form"
    JSON = "json"


class ParameterSet(StrEnum):
    """The parameters of a request: all, VoipNow's ten, or none."""

    ALL = "all"
    VOIPNOW = "voipnow"
    NONE = "none"


class AuthKind(StrEnum):
    """HTTP authentication of a request."""

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
        """The name in pages and messages."""
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
    """VoipNow's CallFlow values: an incoming or outgoing call of the extension."""

    IN = "IN"
    OUT = "OUT"


class DeliveryState(StrEnum):
    """State of a delivery. Only pending ones will be sent."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Channel(StrEnum):
    """Channel of a notification."""

    MAIL = "mail"
    HTTP = "http"


class ConnectorKind(StrEnum):
    """Type of PBX that a connector reads."""

    ASTERISK = "asterisk"
    FREESWITCH = "freeswitch"

    @property
    def label(self) -> str:
        """The name in pages and messages."""
        return {"asterisk": "Asterisk (AMI)", "freeswitch": "FreeSWITCH (event socket)"}[self]

    @property
    def port(self) -> int:
        """The default port."""
        return {"asterisk": 5038, "freeswitch": 8021}[self]


class ConnectorState(StrEnum):
    """Connection status of a connector, as the leading listener reports it."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    #: The last connection attempt failed; the listener is backing off before the next one.
    PAUSING = "pausing"


class ListedState(StrEnum):
    """State of a delivery in lists, where pending is divided into waiting, retrying and sending."""

    WAITING = "waiting"
    RETRYING = "retrying"
    SENDING = "sending"
    #: Any of the three above.
    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Role(StrEnum):
    """Permissions of a user: an admin can change everything, a viewer can only read."""

    ADMIN = "admin"
    VIEWER = "viewer"


class SignInMethod(StrEnum):
    """How a session was started."""

    #: With the second factor, if the user has one.
    PASSWORD = "password"  # noqa: S105  # a name, no secret
    PASSKEY = "passkey"
    SINGLE_SIGN_ON = "single sign-on"
