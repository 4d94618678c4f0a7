"""Masking of secrets in texts that are shown or stored for people."""

from collections.abc import Iterable

MASK = "••••"


def mask_all(text: str, secrets: Iterable[str]) -> str:
    """Return the text with each secret replaced by MASK."""
    for secret in secrets:
        text = text.replace(secret, MASK)
    return text
