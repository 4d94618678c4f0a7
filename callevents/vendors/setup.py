"""The makes of PBXs and phones, and what has to be pasted or entered there so that they report."""

from dataclasses import dataclass

from callevents.enums import ConnectorKind, Format

#: What stands in the lines until there is a new token to fill in.
PLACEHOLDER = "TOKEN"


@dataclass(frozen=True)
class Lines:
    """Something to paste, and where."""

    title: str
    template: str
    hint: str = ""
    #: Names the way in which a connector does the work, and no token is needed.
    connector: ConnectorKind | None = None


@dataclass(frozen=True)
class Make:
    """A make, the format in which it reports, and its lines."""

    slug: str
    label: str
    format: Format
    lines: tuple[Lines, ...]
    #: Whether somebody has tried these lines, or they follow the maker's document alone.
    is_tried: bool = False
    #: Of phones: the variables that they fill into the address.
    variables: str = ""
    #: What people have to know of it beside the lines.
    note: str = ""


_WEBHOOK = "webhook.txt"
_GRANDSTREAM = "&active_user=$active_user&remote=$remote&display_remote=$display_remote"
_YEALINK = _GRANDSTREAM + "&call_id=$call_id"
_SNOM = "&local=$local&remote=$remote&display_remote=$display_remote&call_id=$call-id"
_PHONES = (
    "'Established' tells an answer only after 'incoming' or 'outgoing' of the same call: enter all "
    "of them. Phones cannot keep a secret well: give each site a PBX, and so a token, of its own."
)

MAKES = (
    Make(
        "asterisk",
        "Asterisk, FreePBX, Issabel",
        Format.GENERIC,
        (
            Lines(
                "Account in manager.conf",
                "asterisk_manager.txt",
                "Then set up the connector, with this name and secret. Nothing changes in the "
                "dialplan.",
                ConnectorKind.ASTERISK,
            ),
            Lines(
                "Or dialplan",
                "asterisk_dialplan.txt",
                "For a PBX that nobody may connect to. Each report may hold up a call for a second "
                "at most, however slow the way is.",
            ),
        ),
    ),
    Make(
        "freeswitch",
        "FreeSWITCH, FusionPBX",
        Format.FREESWITCH,
        (
            Lines(
                "Event socket",
                "freeswitch_socket.txt",
                "Then set up the connector, with this password. Nothing changes in the dialplan.",
                ConnectorKind.FREESWITCH,
            ),
            Lines(
                "Or hooks in the dialplan",
                "freeswitch_hooks.txt",
                "They tell when it rings and who answers; the call records below tell the end.",
            ),
            Lines("And call records for the hangups", "freeswitch_cdr.txt"),
        ),
    ),
    Make(
        "kamailio",
        "Kamailio",
        Format.KAMAILIO,
        (Lines("kamailio.cfg", "kamailio.txt"),),
        is_tried=True,
    ),
    Make(
        "yeastar",
        "Yeastar P-Series",
        Format.YEASTAR,
        (
            Lines(
                "Webhook URL",
                _WEBHOOK,
                "Under Integrations, API or Webhook: choose the event (30011) Call State Changed, "
                "POST and JSON.",
            ),
        ),
        note="Enter the webhook's secret above as well: then only what it has signed is taken.",
    ),
    Make(
        "wazo",
        "Wazo",
        Format.WAZO,
        (Lines("Subscription", "wazo.txt", "For POST /api/webhookd/1.0/subscriptions."),),
    ),
    Make("kazoo", "Kazoo", Format.KAZOO, (Lines("Webhooks", "kazoo.txt"),)),
    Make(
        "twilio",
        "Twilio, SignalWire, jambonz",
        Format.TWILIO,
        (Lines("TwiML", "twilio.txt"),),
    ),
    Make(
        "sipgate",
        "sipgate.io",
        Format.SIPGATE,
        (Lines("URL for incoming and outgoing calls", _WEBHOOK, "Under sipgate.io, Webhooks."),),
        note="Extensions are sipgate's user ids, w0 and so on.",
    ),
    Make(
        "3cx",
        "3CX with a webhook reporter",
        Format.THREE_CX,
        (Lines("Address", "three_cx.txt"),),
        note="3CX sends no call events by HTTP itself; others sell programs that do.",
    ),
    Make(
        "voipnow",
        "VoipNow, Telphin, RingMe",
        Format.VOIPNOW,
        (
            Lines(
                "An address for each event",
                "voipnow.txt",
                "VoipNow does not say which event it is, so its address does. Telphin and RingMe "
                "say it; for them the address will do without &event=.",
            ),
        ),
    ),
    Make(
        "yealink",
        "Yealink phones",
        Format.PHONES,
        (Lines("Action URLs", "yealink.txt"),),
        variables=_YEALINK,
        note=_PHONES,
    ),
    Make(
        "grandstream",
        "Grandstream phones",
        Format.PHONES,
        (Lines("Action URLs", "grandstream.txt", "These phones want no http:// before it."),),
        variables=_GRANDSTREAM,
        note=_PHONES,
    ),
    Make(
        "snom",
        "Snom phones",
        Format.PHONES,
        (Lines("Action URLs", "snom.txt"),),
        variables=_SNOM,
        note=_PHONES,
    ),
    Make(
        "other",
        "Anything else: a script, curl",
        Format.GENERIC,
        (Lines("Shell script", "script.txt"), Lines("curl", "curl.txt")),
        is_tried=True,
    ),
)


def find_make(slug: str, format_: Format) -> Make:
    """Return the make of that name, else the first that reports in the format."""
    for make in MAKES:
        if make.slug == slug:
            return make
    return next(make for make in MAKES if make.format is format_)
