"""FreeSWITCH: followed by a connector, or reporting by HTTP from its dialplan and call records."""

from callevents.enums import ConnectorKind, Format
from callevents.vendors.freeswitch.esl import EventSocketParser, is_message, write_message
from callevents.vendors.freeswitch.http_reports import read
from callevents.vendors.freeswitch.session import EventSocketSession
from callevents.vendors.freeswitch.tracker import CLOCK, FreeswitchTracker
from callevents.vendors.vendor import SetupGuide, Snippet, Source, Vendor

VENDOR = Vendor(
    format=Format.FREESWITCH,
    read=read,
    source=Source(
        kind=ConnectorKind.FREESWITCH,
        label="FreeSWITCH's event socket",
        make_parser=EventSocketParser,
        make_tracker=FreeswitchTracker,
        is_message=is_message,
        make_session=EventSocketSession,
        clock=CLOCK,
        write_message=write_message,
    ),
    guides=(
        SetupGuide(
            "freeswitch",
            "FreeSWITCH, FusionPBX",
            (
                Snippet(
                    "Event socket",
                    "freeswitch_socket.txt",
                    "Then set up the connector with this password. The dialplan stays "
                    "unchanged. FusionPBX: add the list under Advanced, Access Controls, set the "
                    "password in its config.conf too, and enter the tenant as the connector's "
                    "domain.",
                    ConnectorKind.FREESWITCH,
                ),
                Snippet(
                    "Hooks in the dialplan",
                    "freeswitch_hooks.txt",
                    "They report ringing and answers. The call records below report hangups.",
                ),
                Snippet("Call records for the hangups", "freeswitch_cdr.txt"),
            ),
        ),
    ),
)
