"""Finds secrets in the path of a URL, where many services expect them."""

import re
from collections.abc import Iterator
from urllib.parse import unquote

#: Shorter segments are words, numbers or versions, or cannot be told from them.
MIN_RANDOM_LENGTH = 20
#: Words, dates and names of machines change less often between letters, capitals and digits.
MIN_CHANGES = 4

#: Where services have their secret, with it as the group.
_SERVICES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"//hooks\.slack(?:-gov)?\.com/.*/([^/]+)/?$",
        r"/hooks/([a-z0-9]{26})(?=/|$)",  # Mattermost, on any host
        r"/api/v1/cti/([^/]+)",  # Zammad
        r"/bot\d+:([^/]+)",  # Telegram
        r"//[^/]*\bbitrix24\.[^/]+/rest/\d+/([^/]+)",
        r"/rest/\d+/((?=[a-z]*\d)[a-z0-9]{10,})(?=/|$)",  # self-hosted Bitrix24
        r"/api/(?:v\d+/)?webhooks/\d+/([^/]+)",  # Discord
        r"//hooks\.zapier\.com/hooks/catch/\d+/([^/]+)",
    )
)
_SEGMENT = re.compile(r"(?<=/)[^/]+")
_PLACEHOLDER = re.compile(r"\{[\w.]+\}")
#: Letters and digits in one piece that are longer than any word.
_DIGEST = re.compile(r"[A-Za-z0-9]{32}")
#: Places within a text where the kind of character changes, other than at the start of a Word.
_CHANGE = re.compile(
    r"(?<=[A-Za-z])(?=[0-9])|(?<=[0-9])(?=[A-Za-z])"
    r"|(?<=[a-z])(?=[A-Z](?![a-z]))|(?<=[A-Z0-9][A-Z])(?=[a-z])"
)


def find_spans(address: str) -> list[tuple[int, int]]:
    """Return where in the URL its path has secrets, in order."""
    path_end = re.search(r"[?#]|$", address)
    path = address[: path_end.start()] if path_end else address
    spans = {found.span(1) for service in _SERVICES for found in service.finditer(path)}
    start = path.find("/", path.find("//") + 2) if "//" in path else 0
    if start >= 0:
        spans |= {found.span() for found in _SEGMENT.finditer(path, start) if _is_random(found[0])}
    return list(_without_placeholders(path, sorted(spans)))


def _without_placeholders(path: str, spans: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield the spans without placeholders and without what an earlier one has covered."""
    done = 0
    for first, last in spans:
        begin = max(first, done)
        for found in _PLACEHOLDER.finditer(path, begin, last):
            if found.start() > begin:
                yield begin, found.start()
            begin = found.end()
        if last > begin:
            yield begin, last
        done = max(done, last)


def _is_random(segment: str) -> bool:
    text = _PLACEHOLDER.sub("/", unquote(segment))
    changes = _CHANGE.findall(text) if len(text) >= MIN_RANDOM_LENGTH else ()
    return len(changes) >= MIN_CHANGES or bool(changes and _DIGEST.search(text))
