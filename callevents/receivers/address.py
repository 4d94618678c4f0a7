"""The address of a receiver, with which the URLs of its requests begin."""

import re
from collections.abc import Collection
from urllib.parse import urlsplit

from callevents.delivery.request.placeholders import has_placeholder
from callevents.delivery.request.url import check_url
from callevents.errors import InvalidError

_VALUE = re.compile(r"\{receiver\.([A-Za-z0-9_]+)\}")
#: Stands for a value while the rest of the address is checked.
_STAND_IN = "callevents0value{}callevents"


def check_address(text: str, known: Collection[str]) -> str:
    """Return the address as it is stored; raises InvalidError about `address`.

    `known`: the names of the receiver's values, which its path and query may contain.
    """
    found: list[str] = []

    def replace(match: re.Match[str]) -> str:
        found.append(match[0])
        return _STAND_IN.format(len(found) - 1)

    plain = _VALUE.sub(replace, text.strip())
    if has_placeholder(plain):
        raise InvalidError.of(
            "address",
            "The address can only have values of the receiver, such as {receiver.token}. Values of "
            "calls belong in the requests.",
        )
    url = check_url(plain, "address").url
    _check_host(url, found)
    _check_names(text, known)
    for number, name in enumerate(found):
        url = url.replace(_STAND_IN.format(number), name)
    return url


def join_url(address: str, path: str) -> str:
    """Return the URL of a request: the address, and the path of the request.

    Raises InvalidError about `address` if it has a query, to which no path can be added.
    """
    if path.startswith("/"):
        if "?" in address:
            message = "The address must not have a query (?...): requests add their paths to it."
            raise InvalidError.of("address", message)
        return address.removesuffix("/") + path
    if path.startswith(("?", "&")):
        return f"{address}{'&' if '?' in address else '?'}{path[1:]}"
    return address + path


def move_url(url: str, old: str, new: str) -> str:
    """Return the URL, which begins with the old address, as it begins with the new one.

    Raises InvalidError about `address`, as `join_url` does.
    """
    rest = url[len(old) :]
    if rest and rest[0] not in "/?&" and old.endswith("/"):
        rest = f"/{rest}"
    return join_url(new, rest)


def _check_host(url: str, found: Collection[str]) -> None:
    host = urlsplit(url).netloc
    if any(_STAND_IN.format(number) in host for number in range(len(found))):
        raise InvalidError.of(
            "address", "Values of the receiver are allowed only in the path and the query."
        )


def _check_names(text: str, known: Collection[str]) -> None:
    for name in _VALUE.findall(text):
        if name not in known:
            raise InvalidError.of("address", f"The receiver has no value {name!r}.")
