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
    PUT = "PUT"
    PATCH = "PATCH"
    DELETE = "DELETE"


class BodyFormat(StrEnum):
    """Body of a request: parameters as a form or JSON, or a template.

    A GET has no body, and a DELETE only one from a template: their parameters are in the query.
    """

    FORM = "form"
    JSON = "json"
    TEMPLATE = "template"

    def is_sent_with(self, method: Method) -> bool:
        """Return True if requests with this method have such a body."""
        if method is Method.DELETE:
            return self is BodyFormat.TEMPLATE
        return method is not Method.GET


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
    #: Another scheme, such as `token` or `Zoho-oauthtoken`.
    SCHEME = "scheme"
    #: That of the hook's receiver.
    RECEIVER = "receiver"


class ReceiverAuth(StrEnum):
    """How requests to a receiver authenticate. Values are stored."""

    NONE = "none"
    BASIC = "basic"
    BEARER = "bearer"
    SCHEME = "scheme"
    #: An API key in a header, or in the query.
    HEADER = "header"
    QUERY = "query"
    #: OAuth 2.0 (RFC 6749, sections 4.4 and 6).
    CLIENT_CREDENTIALS = "client-credentials"
    REFRESH_TOKEN = "refresh-token"  # noqa: S105  # a name, no secret

    @property
    def is_oauth(self) -> bool:
        """True if requests use an access token that has to be renewed."""
        return self in (ReceiverAuth.CLIENT_CREDENTIALS, ReceiverAuth.REFRESH_TOKEN)


class HookScope(StrEnum):
    """How often a call leads to a request of a hook."""

    #: Once for each event of each extension, as in VoipNow.
    EXTENSION = "extension"
    #: Once: first dial, first answer, end of the whole call.
    CALL = "call"


class MissingAnswer(StrEnum):
    """What happens to a request whose value from an earlier answer is missing."""

    FAIL = "fail"
    #: It is sent with an empty value.
    OMIT = "omit"


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
    """State of a delivery. Only pending ones are sent; held ones wait until that is allowed."""

    PENDING = "pending"
    #: Waits because its hook is disabled, or was removed a moment ago.
    HELD = "held"
    DELIVERED = "delivered"
    FAILED = "failed"
    CANCELLED = "cancelled"
    #: Not sent, because of the hook's conditions.
    SKIPPED = "skipped"

    @property
    def is_finished(self) -> bool:
        """True if nothing more is sent, unless a user sends it again."""
        return self not in (DeliveryState.PENDING, DeliveryState.HELD)


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


class ConnectorStatus(StrEnum):
    """Whether a connector is connected, as users see it."""

    DISABLED = "disabled"
    #: No listener runs that could connect.
    NO_LISTENER = "no_listener"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    #: The last connection attempt failed.
    NOT_CONNECTED = "not_connected"


class ListedState(StrEnum):
    """State of a delivery in lists, where pending is divided into waiting, retrying and sending."""

    WAITING = "waiting"
    RETRYING = "retrying"
    SENDING = "sending"
    #: Any of the three above.
    PENDING = "pending"
    HELD = "held"
    DELIVERED = "delivered"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"


class Role(StrEnum):
    """What a user may do with a PBX, with all PBXs, or with an extension."""

    ADMIN = "admin"
    OPERATOR = "operator"
    VIEWER = "viewer"
    #: For an extension only: its owner edits its requests.
    SELF_SERVICE = "self-service"

    @property
    def description(self) -> str:
        """What the role allows, for pages."""
        return _ROLE_DESCRIPTIONS[self]


_ROLE_DESCRIPTIONS = {
    Role.ADMIN: "changes all settings, tokens, connectors and requests",
    Role.OPERATOR: "changes requests and extensions, sends deliveries again, cancels and tests",
    Role.VIEWER: "sees everything and changes nothing",
    Role.SELF_SERVICE: "sees and changes the requests of single extensions",
}


class UserState(StrEnum):
    """Whether a user can sign in."""

    ACTIVE = "active"
    #: Has an invitation and no password yet.
    INVITED = "invited"
    DISABLED = "disabled"


class Right(StrEnum):
    """What a role may allow."""

    #: See extensions with their requests, calls and deliveries.
    SEE = "see"
    #: See what is of the whole PBX: reports, connection, tokens, statistics.
    SEE_PBX = "see-pbx"
    #: Change and test requests; send deliveries again, or cancel them.
    EDIT = "edit"
    #: Add, rename and delete extensions.
    EDIT_EXTENSIONS = "edit-extensions"
    #: Change a PBX, its tokens and its connector.
    MANAGE = "manage"
    #: Add and remove PBXs, set their quotas, change users: only for all PBXs together.
    ADMINISTER = "administer"


class SignInMethod(StrEnum):
    """How a session was started."""

    #: With the second factor, if the user has one.
    PASSWORD = "password"  # noqa: S105  # a name, no secret
    PASSKEY = "passkey"
    SINGLE_SIGN_ON = "single sign-on"


class OAuthTokenKind(StrEnum):
    """Kind of a token of an OAuth 2.0 app. Values are stored."""

    ACCESS = "access"
    REFRESH = "refresh"
