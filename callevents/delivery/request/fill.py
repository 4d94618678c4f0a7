"""Fills the placeholders of URLs and headers.

Each value is escaped as a whole for its place, so it never changes the text around it.
"""

import re
from functools import lru_cache
from urllib.parse import quote, urlsplit

from callevents.delivery.request.placeholders import Context, Parts, Placeholder, compile_text

#: Dot segments, and characters that servers may treat as the end of a segment.
_DOTS = re.compile(r"(?i)(?:\.|%2e){1,2}")
_CUTS = re.compile(r"(?i)(%2f|%5c)")
#: Characters of a header's value that are not escaped: printable ASCII without the percent sign,
#: so that unescaping restores exactly the value.
_HEADER_SAFE = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")


def fill_url(url: str, context: Context) -> str:
    """Return the URL in ASCII, with placeholders replaced and invalid characters escaped.

    Values are escaped completely. A value that makes a dot segment ('..') in the path would change
    the folder, in any encoding; so its dots are escaped twice.
    """
    if "{" not in url:
        return escape_url(url)
    segments, query = _compile_url(url)
    path = "/".join([_fill_segment(segment, context) for segment in segments])
    return path if query is None else path + "?" + _fill_parts(query, context)


def append_query(url: str, query: str) -> str:
    """Return the URL with a path, and with the query behind its own if there is one."""
    if not urlsplit(url).path:
        before, mark, own = url.partition("?")
        url = before + "/" + mark + own
    if not query:
        return url
    # The query may itself begin with a question mark.
    own = url.partition("?")[2]
    separator = "&" if own and not own.endswith("&") else ""
    return url + (separator if "?" in url else "?") + query


def fill_query(text: str, context: Context) -> str:
    """Return a URL's query, or a part of it, with placeholders replaced as in fill_url()."""
    return "".join(
        [
            escape_url(part) if isinstance(part, str) else quote(part.fill(context), safe="")
            for part in compile_text(text)
        ]
    )


def fill_header(text: str, context: Context) -> str:
    """Return a header's value, with placeholders replaced by values escaped to printable ASCII."""
    if "{" not in text:
        return text
    return "".join(
        [
            part if isinstance(part, str) else _escape_header(part.fill(context))
            for part in compile_text(text)
        ]
    )


@lru_cache(maxsize=4096)
def escape_url(url: str) -> str:
    """Return the URL with invalid characters percent-encoded."""
    url = re.sub(r"%(?![0-9A-Fa-f]{2})", "%25", url)
    return quote(url, safe="!#$%&'()*+,/:;=?@[]~")


@lru_cache(maxsize=1024)
def _compile_url(url: str) -> tuple[tuple[Parts, ...], Parts | None]:
    """Return the path's segments and the query, None without one; all texts are escaped."""
    segments: list[list[str | Placeholder]] = [[]]
    query: list[str | Placeholder] | None = None
    for part in compile_text(url):
        if isinstance(part, Placeholder):
            (segments[-1] if query is None else query).append(part)
        elif query is not None:
            query.append(escape_url(part))
        else:
            path, mark, rest = part.partition("?")
            first, *others = path.split("/")
            segments[-1].append(escape_url(first))
            segments += [[escape_url(other)] for other in others]
            query = [escape_url(rest)] if mark else None
    return tuple(map(tuple, segments)), None if query is None else tuple(query)


def _fill_parts(parts: Parts, context: Context) -> str:
    return "".join(
        [part if isinstance(part, str) else quote(part.fill(context), safe="") for part in parts]
    )


def _fill_segment(segment: Parts, context: Context) -> str:
    filled = _fill_parts(segment, context)
    if not any(isinstance(part, Placeholder) for part in segment):
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
