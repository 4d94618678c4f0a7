"""Parsing of FreeSWITCH's lists of phones: registrations, and users of the directory."""

from callevents.vendors.freeswitch.resync import read_rows
from callevents.vendors.tracking.extension_list import Listed
from callevents.vendors.tracking.fields import text_of

_HEADER = "userid|"
#: The error if the module of a list is not loaded.
UNKNOWN_COMMAND = "Command not found"


def read_registrations(text: str) -> list[Listed] | None:
    """Return the phones of `show registrations as json`; None for another reply."""
    rows = read_rows(text)
    if rows is None:
        return None
    return [Listed(text_of(row, "reg_user"), text_of(row, "realm")) for row in rows]


def read_users(text: str) -> list[Listed] | None:
    """Return the phones of `list_users`, whose first line names the columns; None if invalid."""
    head, *lines = text.strip().splitlines() or [""]
    if not head.startswith(_HEADER):
        return None
    names = head.split("|")
    rows = [dict(zip(names, line.split("|"), strict=False)) for line in lines if "|" in line]
    return [
        Listed(
            text_of(row, "userid"), text_of(row, "domain"), text_of(row, "effective_caller_id_name")
        )
        for row in rows
    ]


#: The commands, and the parsers of their replies.
COMMANDS = {
    "api list_users": read_users,
    "api show registrations as json": read_registrations,
}
