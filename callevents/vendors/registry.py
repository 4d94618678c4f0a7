"""Makers' formats: one module each, which reads a PBX's message into reports. No I/O in any."""

from collections.abc import Mapping

from callevents.enums import Format
from callevents.vendors import (
    kamailio,
    kazoo,
    phones,
    sipgate,
    three_cx,
    twilio,
    voipnow,
    wazo,
    yeastar,
)
from callevents.vendors.freeswitch import http_reports
from callevents.vendors.message import Earlier, Message, Read, Reading

#: How each format's messages are read. Our own is read by ingest/report.py alone.
READERS: Mapping[Format, Read] = {
    Format.VOIPNOW: voipnow.read,
    Format.FREESWITCH: http_reports.read,
    Format.KAMAILIO: kamailio.read,
    Format.YEASTAR: yeastar.read,
    Format.WAZO: wazo.read,
    Format.KAZOO: kazoo.read,
    Format.TWILIO: twilio.read,
    Format.SIPGATE: sipgate.read,
    Format.THREE_CX: three_cx.read,
    Format.PHONES: phones.read,
}

__all__ = ["READERS", "Earlier", "Message", "Read", "Reading"]
