"""Masking of secrets in texts that are shown or stored for people."""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator

MASK = "••••"
#: In bytes. Shorter secrets are masked as they are only: decoded they would match by chance.
MIN_DECODED_LENGTH = 6
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
#: A byte that is percent-encoded, perhaps more than once.
_ENCODED = re.compile(rb"%(?:25){0,3}([0-9A-Fa-f]{2})")

Span = tuple[int, int]


def mask_all(text: str, secrets: Iterable[str]) -> str:
    """Return the text with each secret replaced by MASK, however it is percent-encoded."""
    secrets = list(secrets)
    for secret in secrets:
        text = text.replace(secret, MASK)
    return _mask_encoded(text, {one for one in secrets if "%" in text or "%" in one})


def _mask_encoded(text: str, secrets: Iterable[str]) -> str:
    """Return the text with what decodes to the same as a secret replaced by MASK.

    It reads the text once to decode it, and then once for each secret.
    """
    wanted = {_ENCODED.sub(_decode, _to_bytes(secret)) for secret in secrets}
    wanted = {one for one in wanted if len(one) >= MIN_DECODED_LENGTH and _is_text(one)}
    if not wanted:
        return text
    data = _to_bytes(text)
    decoded = _ENCODED.sub(_decode, data)
    # Where in the decoded text each decoded byte ends, and how far it is from its place before.
    ends, distances = [], [0]
    for found in _ENCODED.finditer(data):
        distances.append(distances[-1] + len(found[0]) - 1)
        ends.append(found.end() - distances[-1])
    spans = sorted(span for one in wanted for span in _find_all(decoded, one))
    parts, done = [], 0
    for start, end in spans:
        first, last = (at + distances[bisect_right(ends, at)] for at in (start, end))
        if first >= done:
            parts += [data[done:first], _to_bytes(MASK)]
        done = max(done, last)
    return b"".join([*parts, data[done:]]).decode(errors="surrogatepass")


def _find_all(text: bytes, wanted: bytes) -> Iterator[Span]:
    start = text.find(wanted)
    while start >= 0:
        end = start + len(wanted)
        yield start, end
        start = text.find(wanted, end)


def _is_text(data: bytes) -> bool:
    """Return False for what could match a part of a character."""
    try:
        data.decode(errors="surrogatepass")
    except UnicodeDecodeError:
        return False
    return True


def _decode(found: re.Match[bytes]) -> bytes:
    return bytes.fromhex(found[1].decode())


def _to_bytes(text: str) -> bytes:
    return text.encode(errors="surrogatepass")


def mask_credentials(text: str) -> str:
    """Return the text with the secrets of apps and the tokens of requests replaced by MASK."""
    return _CREDENTIAL.sub(rf"\1\2\3{MASK}", text)
