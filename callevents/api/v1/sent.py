"""What a client has sent, and sentences that do not repeat it.

Sentences of the domain name the wrong value, for pages and commands. Answers of the API must not:
they get into logs, and what was sent may be a secret.
"""

import re
from collections.abc import Container, Iterable, Iterator
from enum import StrEnum
from functools import cache
from typing import Any

import pydantic_core
from flask import Request, g
from pydantic import BaseModel

from callevents import enums
from callevents.api_access.scopes import ApiScope
from callevents.delivery.request.placeholders import VALUE_NAMES

#: In place of what was sent.
ELLIPSIS = "…"
#: Shorter texts are parts of words by chance.
MIN_LENGTH = 2
#: In a body that is no JSON, such as YAML.
_WORD = re.compile(r"[^\s\"',:{}\[\]]+")
_QUOTED = re.compile(r"""(?<=')[^']+(?=')|(?<=")[^"]+(?=")|(?<=\{)[^{}]+(?=\})""")


def texts_of(request: Request) -> Iterator[str]:
    """Yield all texts of the request: of path, query and body, with names that are not ours."""
    operation = g.get("api_operation")
    models = (operation.query, operation.body) if operation else ()
    known = frozenset[str]().union(*(field_names(model) for model in models if model))
    yield from map(str, (request.view_args or {}).values())
    for name, value in request.args.items(multi=True):
        yield from (value,) if name in known else (name, value)
    raw = request.get_data()
    try:
        yield from texts_in(pydantic_core.from_json(raw), known)
    except ValueError:
        yield from _WORD.findall(raw.decode(errors="replace"))


def texts_in(value: Any, known: Container[str] = ()) -> Iterator[str]:
    """Yield all texts in parsed JSON, and the names of fields that are not `known`."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, one in value.items():
            if name not in known:
                yield name
            yield from texts_in(one, known)
    elif isinstance(value, list):
        for one in value:
            yield from texts_in(one, known)


@cache
def field_names(model: type[BaseModel]) -> frozenset[str]:
    """Return the names of all fields of the model, and of the models in it."""
    return frozenset(_names_in(schema_of(model)))


@cache
def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON schema of the model."""
    return model.model_json_schema()


def _names_in(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        yield from schema.get("properties", {})
        for one in schema.values():
            yield from _names_in(one)
    elif isinstance(schema, list):
        for one in schema:
            yield from _names_in(one)


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
    yield from VALUE_NAMES


_OWN_WORDS = frozenset(word.lower() for word in _own_words())
