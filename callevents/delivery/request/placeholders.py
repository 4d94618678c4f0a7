"""Placeholders such as {CallerIDNum}, which put values of an event into a URL or a custom header.

A fixed set of names, replaced in one pass; no template language. Values come from calls and are
untrusted: they are escaped for their context, so they never change the text around them.
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
    "Late",
)

Values = Mapping[str, str]

#: Text that looks like a placeholder. Other braces are plain text.
_PLACEHOLDER = re.compile(r"\{([A-Za-z0-9_.-]+)\}")
#: Dot segments, and characters that servers may treat as the end of a segment.
_DOTS = re.compile(r"(?i)(?:\.|%2e){1,2}")
_CUTS = re.compile(r"(?i)(%2f|%5c)")
#: Characters of a header's value that are not escaped: printable ASCII without the percent sign,
#: so that unescaping restores exactly the value.
_HEADER_SAFE = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")


def find_problem(text: str) -> str:
    """Return the error about the first unknown placeholder, empty without one."""
    for found in _PLACEHOLDER.finditer(text):
        if found[1] not in PARAMETER_NAMES:
            known = ", ".join(f"{{{name}}}" for name in PARAMETER_NAMES)
            return f"Unknown placeholder {found[0]}. Available: {known}."
    return ""


def has_placeholder(text: str) -> bool:
    """Return True if the text contains anything that looks like a placeholder."""
    return _PLACEHOLDER.search(text) is not None


def is_placeholder(text: str) -> bool:
    """Return True if the whole text is one known placeholder."""
    found = _PLACEHOLDER.fullmatch(text)
    return found is not None and found[1] in PARAMETER_NAMES


def fill_url(url: str, values: Values) -> str:
    """Return the URL in ASCII, with placeholders replaced and invalid characters escaped.

    Values are escaped completely. A value that makes a dot segment ('..') in the path would change
    the folder, in any encoding; so its dots are escaped twice.
    """
    if "{" not in url:
        return escape_url(url)
    path, mark, query = url.partition("?")
    segments = [_fill_segment(segment, values) for segment in path.split("/")]
    return "/".join(segments) + mark + fill_query(query, values)


def fill_query(text: str, values: Values) -> str:
    """Return a URL's query, or a part of it, with placeholders replaced as in fill_url()."""
    return "".join(
        quote(values[part], safe="") if is_name else escape_url(part)
        for is_name, part in _split(text)
    )


def fill_header(text: str, values: Values) -> str:
    """Return a header's value, with placeholders replaced by values escaped to printable ASCII."""
    return "".join(
        _escape_header(values[part]) if is_name else part for is_name, part in _split(text)
    )


@lru_cache(maxsize=4096)
def escape_url(url: str) -> str:
    """Return the URL with invalid characters percent-encoded."""
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
    # Leading and trailing spaces are not part of a header's value.
    return re.sub(r"^ +| +$", lambda found: "%20" * len(found[0]), quote(value, safe=_HEADER_SAFE))


def _split(text: str) -> Iterator[tuple[bool, str]]:
    """Yield (is_name, part): a known placeholder's name, or the text between placeholders."""
    at = 0
    for found in _PLACEHOLDER.finditer(text):
        if found[1] in PARAMETER_NAMES:
            yield False, text[at : found.start()]
            yield True, found[1]
            at = found.end()
    yield False, text[at:]
