"""Removes secrets from messages, for captures that people share."""

import re

from callevents.security.masking import MASK
from callevents.vendors.tracking.fields import Message

#: Parts of the names of fields whose whole value is secret, such as FreeSWITCH's variables.
_SECRET_NAME = re.compile(
    r"passw|passphrase|secret|token|credential|nonce|cookie|api_?key|sip_auth|authorization"
    # Keys of encrypted media, and PINs of conferences and voicemail.
    r"|crypto|ice_pwd|(?:^|_)pin(?:_|$)",
    re.IGNORECASE,
)
#: Secrets within a value, such as the token in a URL that a dialplan requests.
_SECRET_PART = re.compile(
    r"((?:token|passw(?:or)?d|secret|api_?key|key|pin|auth)=)[^&\s;,)}\]'\"]+", re.IGNORECASE
)
#: Keys of encrypted media in SDP.
_MEDIA_KEY = re.compile(r"(\binline:|\bice-pwd:)[^|\s]+")
#: The name and the password in a URL.
_USER_PART = re.compile(r"(://)[^/@\s]+@")


def mask(message: Message, secret: str) -> Message:
    """Return the message with masked secrets: `secret`, and whatever looks like one."""
    return {name: _mask_value(name, value, secret) for name, value in message.items()}


def _mask_value(name: str, value: str, secret: str) -> str:
    if value and _SECRET_NAME.search(name):
        return MASK
    if secret:
        value = value.replace(secret, MASK)
    value = _SECRET_PART.sub(rf"\1{MASK}", value)
    value = _MEDIA_KEY.sub(rf"\1{MASK}", value)
    return _USER_PART.sub(rf"\1{MASK}@", value)
