"""Where an answer leads, for logs and people: its address without what may be secret in it."""

import re
from collections.abc import Iterable, Sequence
from urllib.parse import unquote

from callevents.delivery.request import MASK, SHORTEST_SECRET

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


def mask_location(location: str) -> str:
    """Return the address with its user and the values of parameters that look secret masked."""
    return _PARAMETER.sub(_mask_value, _USER.sub(rf"\1{MASK}", location))


def find_secrets(location: str) -> Sequence[str]:
    """Return what is masked in the address and long enough to be looked for in texts."""
    users = [user for _slashes, user in _USER.findall(location)]
    values = [value for _mark, name, value in _PARAMETER.findall(location) if _is_secret(name)]
    return [secret for secret in users + values if len(secret) >= SHORTEST_SECRET]


def mask_all(text: str, secrets: Iterable[str]) -> str:
    """Return the text with the secrets masked."""
    for secret in secrets:
        text = text.replace(secret, MASK)
    return text


def _mask_value(found: re.Match[str]) -> str:
    return f"{found[1]}{found[2]}={MASK}" if found[3] and _is_secret(found[2]) else found[0]


def _is_secret(name: str) -> bool:
    return _LOOKS_SECRET(unquote(name)) is not None
