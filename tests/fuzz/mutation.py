"""Mutations of messages: values, field names and bytes."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from random import Random
from typing import Any

#: Values that a reader may misinterpret or not expect.
TEXTS = (
    *("", " ", "\x00", "\x1b[31m", "\r\n\r\nEvent: Hangup", "\ud800", "\ufeff", "\u202e", "\u0661"),
    *("<unknown>", "unknown", "anonymous", "None", "null", "true", "[]", "{", '{"a":', '"', "'"),
    *("0", "-1", "1", "5", "6", "16", "127", "128", "1e9", "1e400", "nan", "inf", "1:2", "1:02:03"),
    *("9" * 30, "9" * 400, "0x10", "1.5", "1,5", "²", "99999999999", "1800000000.5", "1900000000"),
    *("101", "102", "101@a", "0003*210", "s", "h", "+40 721 000 001", "sip:101@a", "tel:+1;x=y"),
    *("sip:@", "<sip:102@b>;tag=1", "sip:a%00b@c", "client:ana", "%", "%F0%28", "%ff", "&=", ";1"),
    *("2026-03-01T10:00:00Z", "2026-03-01T10:00:00+99:00", "0000-00-00T00:00:00Z", "T", "é" * 300),
    *("dial-in", "dial-out", "hangup", "answer-in", "answer-out", "invite", "ringing", "incoming"),
    *("newCall", "answer", "in", "out", "inbound", "outbound", "completed", "30011", "30012"),
    *("call_created", "call_ended", "call_answered", "channel_create", "channel_destroy", "BYE"),
    *("channel_answer", "channel_bridge", "established", "terminated", "dialog_failed", "busy"),
    *("ANSWER", "BUSY", "CANCEL", "NORMAL_CLEARING", "PICKED_OFF", "ACTIVE", "RING", "ALERT"),
    *("Dial", "AppDial", "AppDial2", "originator", "originatee", "agent", "loopback/102-a"),
    *("PJSIP/101-00000001", "PJSIP/trunk-00000003", "Local/102@a-00000001;1", "DAHDI/1-1"),
)
HUGE = 70_000
#: Byte sequences that end lines and messages, are not UTF-8, or start something that never ends.
BYTES = (
    *(b"", b"\n", b"\r\n\r\n", b"\n\n", b"\x00", b"\xff\xfe", b"\xed\xa0\x80", b"\xc3", b":", b"="),
    *(b"Content-Length: 99999\n\n", b"Content-Length: -1\n", b"Event: ", b"&", b"%", b"%zz", b"{"),
    *(b'"', b"\\u", b"[" * 2000, b"x" * HUGE, b"9" * 5000, b"Content-Type: api/response\n"),
    *(b"Content-Type: text/disconnect-notice\n\n", b"Content-Type: auth/request\n\n" * 50),
    *(b"Content-Type: command/reply\nReply-Text: -ERR no\n\n", b"Content-Length: 3\n\n"),
    b"\r\n\r\nResponse: Error\r\nActionID: callevents-events\r\nMessage: No\r\n\r\n",
    b"\r\n\r\nResponse: Error\r\nActionID: callevents-login\r\nMessage: No\r\n\r\n",
)

Values = dict[str, Any]


def unexpected_text(random: Random) -> str:
    """Return a text that a field should not contain."""
    roll = random.random()
    if roll < 0.9:
        return random.choice(TEXTS)
    if roll < 0.99:
        return "".join(map(chr, random.choices(range(0x300), k=random.randrange(20))))
    # A new object each time, so that memory grows if one is kept.
    return random.choice("x9\x00é") * random.randrange(HUGE)


def unexpected_value(random: Random, depth: int = 0) -> Any:
    """Return a value of any JSON type."""
    roll = random.random()
    if roll < 0.6:
        return unexpected_text(random)
    if roll < 0.8 or depth > 3:
        return random.choice((None, True, False, 0, -1, 1.5, 10**70, 1e308, float("nan"), 30011))
    inner = [unexpected_value(random, depth + 1) for _ in range(random.randrange(4))]
    if roll < 0.9:
        return inner
    if roll < 0.99:
        return {unexpected_text(random)[:50]: one for one in inner}
    return [unexpected_text(random)[:50]] * random.randrange(1000)


def mutate(values: Values, other: Values, random: Random, make: Callable[[Random], Any]) -> None:
    """Change a value or a field name; `other` is another message to copy values from."""
    names = list(values)
    if not names:
        return
    name = random.choice(names)
    roll = random.randrange(8)
    if roll == 0:
        del values[name]
    elif roll == 1:
        values[similar_name(name, random)] = values[name]
    elif roll == 2:
        values[similar_name(name, random)] = values.pop(name)
    elif roll == 3:
        second = random.choice(names)
        values[name], values[second] = values[second], values[name]
    elif roll == 4:
        values[name] = deepcopy(other.get(name, ""))
    elif roll == 5 and other:
        values[name] = deepcopy(random.choice(list(other.values())))
    else:
        values[name] = make(random)


def similar_name(name: str, random: Random) -> str:
    """Return a misspelled field name, or another name."""
    changed = (name.upper(), f"{name}_", f"-{name}", name[:-1], name + name, "Dest" + name)
    return random.choice((*changed, random.choice(TEXTS)))


def mutate_document(document: Values, other: Values, random: Random) -> None:
    """Mutate the document or an object nested in it."""
    for _ in range(random.choice((1, 1, 2, 4))):
        part = document
        while inner := [one for one in part.values() if isinstance(one, dict) and one]:
            if random.random() < 0.4:
                break
            part = random.choice(inner)
        mutate(part, other, random, unexpected_value)


def mutate_bytes(data: bytes, random: Random) -> bytes:
    """Return the bytes with some removed, repeated, overwritten or inserted, or truncated."""
    start, size = random.randrange(len(data) + 1), random.randrange(50)
    before, piece, after = data[:start], data[start : start + size], data[start + size :]
    choices: Sequence[bytes] = (
        before + after,
        before + piece + piece + after,
        before + random.randbytes(len(piece)) + after,
        before + random.choice(BYTES) + piece + after,
        before,
        after,
    )
    return random.choice(choices)
