"""Makers' formats: one module each, which reads a PBX's message into reports. No I/O in any."""

from collections.abc import Mapping

from callevents.enums import Format
from callevents.formats import kamailio
from callevents.formats.reading import Earlier, Message, Read, Reading

#: How each format's messages are read. Our own is read by callevents/reports.py alone.
READERS: Mapping[Format, Read] = {
    Format.KAMAILIO: kamailio.read,
}

__all__ = ["READERS", "Earlier", "Message", "Read", "Reading"]
