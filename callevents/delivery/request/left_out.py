"""Secrets that were left out of an import, or of a move to another host.

Something stands in their place. Nothing is sent with it.
"""

from collections.abc import Iterable, Mapping, Sequence

from callevents.security.masking import MASK

#: Stands for a secret that a document does not have.
NOT_IMPORTED = "not-imported"
#: Stands for a secret of a request that was moved to another host.
NOT_MOVED = "not-moved"
_STAND_INS = frozenset({NOT_IMPORTED, NOT_MOVED})

VALUES = "values/"
CREDENTIALS = "credentials/"
ADDRESS = "address"
CLIENT_KEY = "client_key"


def find_left_out(
    address: str, values: Mapping[str, str], credentials: Mapping[str, str], client_key: str
) -> tuple[str, ...]:
    """Return the fields of a receiver whose secrets were left out, such as `values/token`.

    Values, credentials and key are decrypted.
    """
    found = [f"{VALUES}{name}" for name, value in values.items() if is_left_out(value)]
    found += [f"{CREDENTIALS}{name}" for name, value in credentials.items() if is_left_out(value)]
    if MASK in address:
        found.append(ADDRESS)
    if client_key in _STAND_INS:
        found.append(CLIENT_KEY)
    return tuple(found)


def is_left_out(text: str) -> bool:
    """Return True if the text stands for a secret that was left out, or has a mask for one."""
    return text in _STAND_INS or MASK in text


def names_of(fields: Iterable[str]) -> Sequence[str]:
    """Return the names of fields of a receiver for users, each once."""
    return list(dict.fromkeys(one.rpartition("/")[2].replace("_", " ") for one in fields))


def explain_of_receiver(receiver: str, names: Sequence[str]) -> str:
    """Return the sentence about a receiver, given by its name, that lacks these secrets."""
    is_one = len(names) == 1
    return (
        f"{receiver} was imported without {'a secret' if is_one else 'secrets'}: "
        f"{', '.join(names)}. Nothing is sent to it until an admin enters "
        f"{'it' if is_one else 'them'} under Receivers, {receiver}, Edit."
    )


def find_own_left_out(
    url: str, headers: Iterable[tuple[str, str]], credentials: Iterable[str]
) -> tuple[str, ...]:
    """Return what was left out of a request itself, in words. All is decrypted."""
    found = [f"the header {name}" for name, value in headers if is_left_out(value)]
    if any(is_left_out(one) for one in credentials):
        found.append("the authentication")
    if MASK in url:
        found.append("the URL")
    return tuple(found)


def explain_of_request(found: Sequence[str]) -> str:
    """Return the sentence about a request of which this was left out."""
    return (
        "The request was imported, or moved to another host, without its secrets. Nothing is sent "
        f"until they are entered in its dialog: {', '.join(found)}."
    )
