"""What stands in the place of a secret wherever something is shown or kept for people."""

from collections.abc import Iterable

MASK = "••••"


def mask_all(text: str, secrets: Iterable[str]) -> str:
    """Return the text with the secrets masked."""
    for secret in secrets:
        text = text.replace(secret, MASK)
    return text
