"""Addresses for logs and people: without what may be secret in them."""

import re
from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import unquote

from callevents.delivery.request.placeholders import is_placeholder
from callevents.security.masking import MASK

#: Shorter values are not looked for in answers, where they would be found by chance.
SHORTEST_SECRET = 6

_USER = re.compile(r"(//)([^/?#]*)(?=@)")
_PARAMETER = re.compile(r"([?&;#])([^=?&;#]*)=([^&;#]*)")
_LOOKS_SECRET = re.compile(
    r"token|secret|passw|pwd|passphrase|key|auth|credential|signature|session|jwt|otp"
    r"|^(code|sid|sig|state|ticket|pin|pass)$",
    re.IGNORECASE,
).search


def is_location(header: str) -> bool:
    """Return whether the header's value is an address."""
    return header.lower() in {"location", "content-location"}


def mask_address(address: str) -> str:
    """Return the address with its user and the values of parameters that look secret masked.

    A placeholder says nothing secret, and stays.
    """
    return _PARAMETER.sub(_mask_value, _USER.sub(rf"\1{MASK}", address))


@lru_cache(maxsize=4096)
def mask_url(url: str) -> str:
    """Return the same for a hook's URL, which is remembered.

    For those only: they are few and short, but what receivers say would fill the memory.
    """
    return mask_address(url)


def find_secrets(address: str) -> Sequence[str]:
    """Return what is masked in the address and long enough to be looked for in texts."""
    users = [user for _slashes, user in _USER.findall(address)]
    values = [value for _mark, name, value in _PARAMETER.findall(address) if _hides(name, value)]
    return [secret for secret in users + values if len(secret) >= SHORTEST_SECRET]


def _mask_value(found: re.Match[str]) -> str:
    return f"{found[1]}{found[2]}={MASK}" if _hides(found[2], found[3]) else found[0]


def _hides(name: str, value: str) -> bool:
    looks_secret = bool(value) and _LOOKS_SECRET(unquote(name)) is not None
    return looks_secret and not is_placeholder(value)
