"""A ring group of five phones: a recorded call to two, in which three more ring in vain."""

import re
from datetime import UTC, datetime

from tests.support.ami_server import cut_ami
from tests.support.recorded_streams import read_stream

PHONES = ("101", "102", "103", "104", "105")
ANSWERED_BY = "103"
CALLER = "0612345678"
#: Number, channel and unique ID of the recorded phone that rings in vain, as in its messages.
_RECORDED = (b"102", b"00000037", b".105\r")
#: Those of the phones that do as it does. The recorded call has no such channels.
_ADDED = (
    (b"101", b"00000039", b".107\r"),
    (b"104", b"0000003a", b".108\r"),
    (b"105", b"0000003b", b".109\r"),
)
_WORD = re.compile(rb"\b(?:%s)(?!\w)" % b"|".join(map(re.escape, _RECORDED)))
_TIME = re.compile(rb"(?<=\r\nTimestamp: )[0-9.]+(?=\r)")


def ring_five(ended_at: datetime) -> list[bytes]:
    """Return the messages of the call, whose last one has that time."""
    parts = []
    for part in cut_ami(read_stream("asterisk", "s22_ring_group_dial_two")):
        parts.append(part)
        if _RECORDED[2] in part:
            parts += (_copy(part, phone) for phone in _ADDED)
    shift = ended_at - _read_time(parts[-1])
    return [_TIME.sub(b"%.6f" % (_read_time(part) + shift).timestamp(), part) for part in parts]


def _copy(part: bytes, phone: tuple[bytes, bytes, bytes]) -> bytes:
    """Return a message about the recorded phone as one about another phone."""
    words = dict(zip(_RECORDED, phone, strict=True))
    return _WORD.sub(lambda found: words[found[0]], part)


def _read_time(part: bytes) -> datetime:
    found = _TIME.search(part)
    assert found
    return datetime.fromtimestamp(float(found[0]), UTC)
