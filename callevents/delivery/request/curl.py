"""Formats the request of an attempt as a curl command for a POSIX shell."""

import re
import shlex
from collections.abc import Iterator
from urllib.parse import unquote

from callevents.db.models import Attempt
from callevents.security.masking import MASK

#: Headers that curl sets itself.
_AUTOMATIC = frozenset({"content-length", "host", "connection"})
#: The last parameter's name.
_LAST_NAME = re.compile(r"([^?&;=]*)=[^?&;=]*$")


def as_curl(attempt: Attempt) -> str:
    """Return the command. Masked secrets become variables, such as $AUTHORIZATION."""
    # Without globoff curl would read brackets in the URL as a list of URLs.
    parts = [f"curl --globoff --path-as-is --request {attempt.method} {_url(attempt.url)}"]
    headers = [
        (name, value) for name, value in attempt.request_headers if name.lower() not in _AUTOMATIC
    ]
    parts += [f"--header {_header(name, value)}" for name, value in headers]
    if attempt.request_body or attempt.method not in {"GET", "DELETE"}:
        if not any(name.lower() == "content-type" for name, _ in headers):
            # Otherwise curl would declare the body to be a form.
            parts.append("--header 'Content-Type:'")
        parts.append(f"--data-raw {_quote(attempt.request_body)}")
    return " \\\n  ".join(parts)


def _url(url: str) -> str:
    before, *others = url.split(MASK)
    words = [_quote(before)]
    for name, after in zip(_masked_names(url), others, strict=True):
        words += [_variable(name), _quote(after) if after else ""]
    return "".join(words)


def _masked_names(url: str) -> Iterator[str]:
    """Yield a name for each mask: that of its parameter, or VALUE, VALUE_2 ... in the path.

    A call's value may contain the mask too.
    """
    path, mark, query = url.partition("?")
    for number in range(path.count(MASK)):
        yield f"VALUE_{number + 1}" if number else "VALUE"
    for before in (mark + query).split(MASK)[:-1]:
        name = _LAST_NAME.search(before)
        yield unquote(name[1]) if name else "VALUE"


def _header(name: str, value: str) -> str:
    if not value:
        # A colon without a value would remove the header.
        return _quote(f"{name};")
    before, mask, after = value.partition(MASK)
    if not mask:
        return _quote(f"{name}: {value}")
    return f"{_quote(f'{name}: {before}')}{_variable(name)}{_quote(after) if after else ''}"


def _variable(name: str) -> str:
    variable = re.sub(r"\W", "_", name, flags=re.ASCII).upper()
    return f'"${{{variable}}}"'


def _quote(text: str) -> str:
    """Return the text in single quotes, always, so that URLs look alike with and without an &."""
    quoted = shlex.quote(text)
    return quoted if quoted.startswith("'") or "'" in quoted else f"'{text}'"
