"""Placeholders such as {CallerIDNum}: what a call's event puts into a URL or an own header.

A fixed set of names, replaced in one pass, and no template language. What comes from calls is
foreign text: it is escaped for its place, so that it never changes what stands around it.
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from urllib.parse import quote

#: VoipNow's parameters, in its order.
VOIPNOW_NAMES = (
    "CallID",
    "CallAPIID",
    "CallerIDNum",
    "CallerIDName",
    "CallerExtension",
    "CalledExtension",
    "CalledNumber",
    "CalledDID",
    "CallFlow",
    "CallStatus",
)
#: All parameters, in the order in which they are sent.
PARAMETER_NAMES = (
    *VOIPNOW_NAMES,
    "EventType",
    "EventID",
    "Extension",
    "EventTime",
    "Duration",
    "HangupCause",
    "DeliveryID",
    "PBX",
)

Values = Mapping[str, str]

#: What looks like a placeholder. Other braces are plain text.
_PLACEHOLDER = re.compile(r"\{([A-Za-z0-9_.-]+)\}")
#: A segment that leads to another folder, and what servers may take for the end of a segment.
_DOTS = re.compile(r"(?i)(?:\.|%2e){1,2}")
_CUTS = re.compile(r"(?i)(%2f|%5c)")
#: What a header's value may have: printable ASCII. A percent sign is escaped with the rest, so
#: that unescaping gives back exactly the value.
_HEADER_SAFE = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")


def find_problem(text: str) -> str:
    """Return the sentence about the first unknown placeholder, empty if there is none."""
    for found in _PLACEHOLDER.finditer(text):
        if found[1] not in PARAMETER_NAMES:
            known = ", ".join(f"{{{name}}}" for name in PARAMETER_NAMES)
            return f"There is no placeholder {found[0]}. The placeholders are {known}."
    return ""


def has_placeholder(text: str) -> bool:
    """Return whether something in the text looks like a placeholder."""
    return _PLACEHOLDER.search(text) is not None


def is_placeholder(text: str) -> bool:
    """Return whether the text is a known placeholder, and nothing beside it."""
    found = _PLACEHOLDER.fullmatch(text)
    return found is not None and found[1] in PARAMETER_NAMES


def fill_url(url: str, values: Values) -> str:
    """Return the URL in ASCII, its placeholders replaced and what no URL may have escaped.

    Values are escaped as a whole. In the path, a value of dots would lead to another folder, in
    whatever way they are written; so those dots are escaped twice.
    """
    if "{" not in url:
        return escape_url(url)
    path, mark, query = url.partition("?")
    segments = [_fill_segment(segment, values) for segment in path.split("/")]
    return "/".join(segments) + mark + fill_query(query, values)


def fill_query(text: str, values: Values) -> str:
    """Return a URL's query, or a part of it, in the same way."""
    return "".join(
        quote(values[part], safe="") if is_name else escape_url(part)
        for is_name, part in _split(text)
    )


def fill_header(text: str, values: Values) -> str:
    """Return a header's value; of the call's values, what is not printable ASCII is escaped."""
    return "".join(
        _escape_header(values[part]) if is_name else part for is_name, part in _split(text)
    )


@lru_cache(maxsize=4096)
def escape_url(url: str) -> str:
    """Return the URL with what must not be in it percent-encoded, and all else as it is."""
    url = re.sub(r"%(?![0-9A-Fa-f]{2})", "%25", url)
    return quote(url, safe="!#$%&'()*+,/:;=?@[]~")


def _fill_segment(segment: str, values: Values) -> str:
    filled = fill_query(segment, values)
    if not has_placeholder(segment):
        return filled
    parts = _CUTS.split(filled)
    parts[::2] = [_hide_dots(part) for part in parts[::2]]
    return "".join(parts)


def _hide_dots(part: str) -> str:
    if not _DOTS.fullmatch(part):
        return part
    return re.sub(r"(?i)\.|%2e", "%252E", part)


def _escape_header(value: str) -> str:
    # Spaces around a header's value would not count as part of it.
    return re.sub(r"^ +| +$", lambda found: "%20" * len(found[0]), quote(value, safe=_HEADER_SAFE))


def _split(text: str) -> Iterator[tuple[bool, str]]:
    """Yield the text's parts: whether each is a known placeholder's name, and the part."""
    at = 0
    for found in _PLACEHOLDER.finditer(text):
        if found[1] in PARAMETER_NAMES:
            yield False, text[at : found.start()]
            yield True, found[1]
            at = found.end()
    yield False, text[at:]
