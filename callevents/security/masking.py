"""Masking of secrets in texts that are shown or stored for people."""

import re
from collections.abc import Iterable

MASK = "••••"
_NAMES = r"accessRequestToken|access_token|refresh_token|client_secret|code_verifier"
#: Secrets of apps and tokens: named in a query, a form or JSON, after a scheme of HTTP, or known by
#: their beginning.
_CREDENTIAL = re.compile(
    rf"""((?:{_NAMES})(?:=|%3D|["']?\s*[:=]\s*["']?)(?:bearer(?:\s+|\+|%20))?|[?&]code=)"""
    r"""[^\s&"',;}]+"""
    r"|(\b(?:bearer|basic)\s+)[\w.~+/=-]{16,}"
    r"|\b(cea_)[\w-]{6,}",
    re.IGNORECASE,
)


def mask_all(text: str, secrets: Iterable[str]) -> str:
    """Return the text with each secret replaced by MASK."""
    for secret in secrets:
        text = text.replace(secret, MASK)
    return text


def mask_credentials(text: str) -> str:
    """Return the text with the secrets of apps and the tokens of requests replaced by MASK."""
    return _CREDENTIAL.sub(rf"\1\2\3{MASK}", text)
