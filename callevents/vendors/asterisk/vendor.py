"""Asterisk: followed by a connector, or reporting from its dialplan in the native format."""

from callevents.enums import ConnectorKind, Format
from callevents.vendors.asterisk.ami import AmiParser, is_message, write_message
from callevents.vendors.asterisk.session import AmiSession
from callevents.vendors.asterisk.tracker import CLOCK, AsteriskTracker
from callevents.vendors.vendor import SetupGuide, Snippet, Source, Vendor

VENDOR = Vendor(
    format=Format.GENERIC,
    source=Source(
        kind=ConnectorKind.ASTERISK,
        label="Asterisk's AMI",
        make_parser=AmiParser,
        make_tracker=AsteriskTracker,
        is_message=is_message,
        make_session=AmiSession,
        clock=CLOCK,
        write_message=write_message,
    ),
    guides=(
        SetupGuide(
            "asterisk",
            "Asterisk, FreePBX, Issabel",
            (
                Snippet(
                    "Account in manager.conf",
                    "asterisk_manager.txt",
                    "Then set up the connector with the user callevents and your secret. The "
                    "dialplan stays unchanged.",
                    ConnectorKind.ASTERISK,
                ),
                Snippet(
                    "Dialplan",
                    "asterisk_dialplan.txt",
                    "For a PBX that accepts no connection from outside. Each report delays a call "
                    "by at most a second, however slow the network is.",
                ),
            ),
            is_tested=True,
        ),
    ),
)
