"""Masks secrets in URLs for display and logs."""

import re
from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import unquote

from callevents.delivery.request.path_secrets import find_spans
from callevents.delivery.request.placeholders import is_set_apart, put_back, set_apart
from callevents.security.masking import MASK

#: Shorter values are not masked in responses, where they would match by chance.
MIN_SECRET_LENGTH = 6

_USER = re.compile(r"(//)([^/?#]*)(?=@)")
_PARAMETER = re.compile(r"([?&;#])([^=?&;#]*)=([^&;#]*)")
_LOOKS_SECRET = re.compile(
    r"token|secret|passw|pwd|passphrase|key|auth|credential|signature|session|jwt|otp"
    r"|^(code|sid|sig|state|ticket|pin|pass)$",
    re.IGNORECASE,
).search


def is_location(header: str) -> bool:
    """Return True if the header's value is a URL."""
    return header.lower() in {"location", "content-location"}


def mask_address(address: str) -> str:
    """Return the URL with all masked that looks secret: user info, path segments, parameters.

    Placeholders are not secret and stay.
    """
    address, placeholders = set_apart(address)
    for start, end in reversed(find_spans(address)):
        address = address[:start] + MASK + address[end:]
    address = _PARAMETER.sub(_mask_value, _USER.sub(rf"\1{MASK}", address))
    return put_back(address, placeholders)


@lru_cache(maxsize=4096)
def mask_url(url: str) -> str:
    """Return the same for a hook's URL, cached.

    Only for hooks' URLs, which are few and short: those of receivers would fill the cache.
    """
    return mask_address(url)


def find_secrets(address: str) -> Sequence[str]:
    """Return the masked parts of the URL that are long enough to be searched for in texts."""
    address, placeholders = set_apart(address)
    users = [user for _slashes, user in _USER.findall(address)]
    segments = [address[start:end] for start, end in find_spans(address)]
    parameters = _PARAMETER.findall(address)
    values = [value for _mark, name, value in parameters if _is_secret(name, value)]
    found = [put_back(secret, placeholders) for secret in users + segments + values]
    return [secret for secret in found if len(secret) >= MIN_SECRET_LENGTH]


#: The same for a hook's URL, cached.
find_url_secrets = lru_cache(maxsize=4096)(find_secrets)


def _mask_value(found: re.Match[str]) -> str:
    return f"{found[1]}{found[2]}={MASK}" if _is_secret(found[2], found[3]) else found[0]


def _is_secret(name: str, value: str) -> bool:
    looks_secret = bool(value) and _LOOKS_SECRET(unquote(name)) is not None
    return looks_secret and not is_set_apart(value)
