"""What a client has sent, and sentences that do not repeat it.

Sentences of the domain name the wrong value, for pages and commands. Answers of the API must not:
they get into logs, and what was sent may be a secret.
"""

import re
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Any

import pydantic_core
from flask import Request

from callevents import enums
from callevents.api_access.scopes import ApiScope
from callevents.delivery.request.placeholders import PARAMETER_NAMES

#: In place of what was sent.
ELLIPSIS = "…"
#: Shorter texts are parts of words by chance.
MIN_LENGTH = 2
_QUOTED = re.compile(r"""(?<=')[^']+(?=')|(?<=")[^"]+(?=")|(?<=\{)[^{}]+(?=\})""")


def texts_of(request: Request) -> Iterator[str]:
    """Yield all texts of the request: of path, query and body, names included."""
    yield from map(str, (request.view_args or {}).values())
    for name, value in request.args.items(multi=True):
        yield from (name, value)
    try:
        yield from texts_in(pydantic_core.from_json(request.get_data()))
    except ValueError:
        return


def texts_in(value: Any) -> Iterator[str]:
    """Yield all texts in parsed JSON, names included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, one in value.items():
            yield name
            yield from texts_in(one)
    elif isinstance(value, list):
        for one in value:
            yield from texts_in(one)


def leave_out(sentence: str, sent: Iterable[str]) -> str:
    """Return the sentence with an ellipsis in place of what was sent.

    These are whole texts, and quoted parts of them, such as the host of a URL.
    """
    found = {text.strip().lower() for text in sent} - _OWN_WORDS
    texts = sorted((text for text in found if len(text) >= MIN_LENGTH), key=len, reverse=True)

    def hide(quoted: re.Match[str]) -> str:
        part = quoted[0].lower()
        is_sent = part not in _OWN_WORDS and any(part in text for text in texts)
        return ELLIPSIS if is_sent else quoted[0]

    sentence = _QUOTED.sub(hide, sentence)
    for text in texts:
        # Most are not in it, and a body may have a great many.
        if text in sentence.lower():
            whole = rf"(?<!\w){re.escape(text)}(?!\w)"
            sentence = re.sub(whole, ELLIPSIS, sentence, flags=re.IGNORECASE)
    return sentence


def _own_words() -> Iterator[str]:
    """Yield words of our own, which are no secret and which sentences need."""
    for kind in vars(enums).values():
        if isinstance(kind, type) and issubclass(kind, StrEnum):
            yield from kind
    yield from (event.slug for event in enums.EventType)
    yield from ApiScope
    yield from PARAMETER_NAMES


_OWN_WORDS = frozenset(word.lower() for word in _own_words())
