"""Placeholders such as {CallerIDNum|e164}, which put values of a call into a text.

A fixed set of names, and a fixed list of filters that convert a value; no template language. A text
is compiled once. fill.py fills URLs and headers, templates.py fills bodies.
"""

import difflib
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from callevents.delivery.request.filters import (
    FILTERS,
    Filter,
    Lookups,
    Value,
    to_text,
)

#: VoipNow's parameters, in its order.
VOIPNOW_NAMES = (
    "CallID",
    "CallAPIID",
    "CallerIDNum",
    "CallerIDName",
    "CallerExtension",
    "CalledExtension",
    "CalledNumber",
    "CalledDID",
    "CallFlow",
    "CallStatus",
)
#: All parameters, in the order in which they are sent.
PARAMETER_NAMES = (
    *VOIPNOW_NAMES,
    "EventType",
    "EventID",
    "Extension",
    "EventTime",
    "Duration",
    "HangupCause",
    "DeliveryID",
    "PBX",
    "Late",
)
#: More parameters of hangups, behind the others. Placeholders may use them for every event.
HANGUP_NAMES = (
    "StartTime",
    "AnswerTime",
    "EndTime",
    "RingSeconds",
    "TalkSeconds",
    "RemoteNumber",
    "Direction",
    "AnsweredBy",
    "Queue",
    "Outcome",
)
VALUE_NAMES = (*PARAMETER_NAMES, *HANGUP_NAMES)
#: What names of a receiver's values, and of values kept from its answers, begin with.
RECEIVER_PREFIX = "receiver."
ANSWER_PREFIX = "answer."

MAX_TEXT_LENGTH = 20_000
MAX_PLACEHOLDERS = 200
MAX_FILTERS = 8

Values = Mapping[str, str]

#: Text that looks like a placeholder. Other braces are plain text.
_PLACEHOLDER = re.compile(r"\{([A-Za-z0-9_.-]+)((?:\|[^{}|\r\n]*)*)\}")
_OTHER_NAME = re.compile(r"(?:receiver|answer)\.[A-Za-z][A-Za-z0-9_]{0,49}")
#: Stands for a placeholder while a URL is checked.
_TOKEN = re.compile(r"\{p\.\d+\}")


@dataclass(frozen=True)
class Context:
    """What placeholders are filled with. Values of calls and answers are untrusted."""

    values: Values
    lookups: Lookups = field(default_factory=Lookups)
    #: Names whose values are shown as the mask; empty: the values are used.
    masked: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Placeholder:
    """A placeholder: a known name, and the filters that its value passes in order."""

    name: str
    filters: tuple[tuple[Filter, str], ...]
    #: The filters' names and arguments.
    steps: tuple[tuple[str, str], ...]
    #: Where it stands in its text.
    start: int
    source: str

    @property
    def last_filter(self) -> str:
        """The name of the last filter; empty without one."""
        return self.steps[-1][0] if self.steps else ""

    def fill(self, context: Context) -> str:
        """Return its value; empty if it is not known."""
        if self.name in context.masked:
            return context.masked[self.name]
        found: Value = context.values.get(self.name, "")
        if not self.filters:
            return to_text(found)
        for one, argument in self.filters:
            found = one.apply(found, argument, context.lookups)
        # A text in JSON would lose its last quote.
        return found if isinstance(found, str) and self.last_filter == "json" else to_text(found)


Parts = tuple[str | Placeholder, ...]


@lru_cache(maxsize=1024)
def compile_text(text: str) -> Parts:
    """Return the parts of a hook's text in order: texts, and placeholders that are valid."""
    return _split(text)


def _split(text: str) -> Parts:
    parts: list[str | Placeholder] = []
    at = 0
    for found in _PLACEHOLDER.finditer(text):
        steps = _read_steps(found[2])
        if _find_name_problem(found[1]) or _find_step_problem(steps):
            continue
        filters = tuple((FILTERS[name], argument) for name, argument in steps)
        if text[at : found.start()]:
            parts.append(text[at : found.start()])
        parts.append(Placeholder(found[1], filters, steps, found.start(), found[0]))
        at = found.end()
    if text[at:]:
        parts.append(text[at:])
    return tuple(parts)


def find_placeholders(text: str) -> Iterator[Placeholder]:
    """Yield the valid placeholders of a text in order."""
    return (part for part in compile_text(text) if isinstance(part, Placeholder))


def find_problem(text: str) -> str:
    """Return the error about the first invalid placeholder, empty without one."""
    number = 0
    for found in _PLACEHOLDER.finditer(text):
        number += 1
        if problem := _find_name_problem(found[1]):
            return f"Unknown placeholder {{{found[1]}}}. {problem}"
        if problem := _find_step_problem(_read_steps(found[2])):
            return f"In the placeholder {found[0]}: {problem}"
    if number > MAX_PLACEHOLDERS:
        return f"There can be at most {MAX_PLACEHOLDERS} placeholders (got {number})."
    return ""


def has_placeholder(text: str) -> bool:
    """Return True if the text contains anything that looks like a placeholder."""
    return _PLACEHOLDER.search(text) is not None


def set_apart(text: str) -> tuple[str, list[str]]:
    """Return the text with tokens in place of its valid placeholders, and these in order.

    Arguments of filters may have characters that mean something in a URL.
    """
    if "{" not in text:
        return text, []
    tokens: list[str] = []
    sources: list[str] = []
    # Not cached: receivers send addresses too.
    for part in _split(text):
        if isinstance(part, Placeholder):
            tokens.append(f"{{p.{len(sources)}}}")
            sources.append(part.source)
        else:
            tokens.append(part)
    return "".join(tokens), sources


def is_set_apart(text: str) -> bool:
    """Return True if the whole text is a token of set_apart()."""
    return _TOKEN.fullmatch(text) is not None


def put_back(text: str, sources: list[str]) -> str:
    """Return the text with the placeholders that were set apart."""
    if not sources:
        return text
    by_token = {f"{{p.{number}}}": source for number, source in enumerate(sources)}
    return _TOKEN.sub(lambda found: by_token.get(found[0], found[0]), text)


def suggest(wrong: str, known: Collection[str]) -> str:
    """Return a sentence with the known name that is nearest to a wrong one; empty without one."""
    lower = {name.lower(): name for name in known}
    near = difflib.get_close_matches(wrong.lower(), lower, n=1, cutoff=0.6)
    return f"Did you mean {lower[near[0]]}?" if near else ""


def _read_steps(text: str) -> tuple[tuple[str, str], ...]:
    if not text:
        return ()
    pairs = (step.partition(":") for step in text[1:].split("|"))
    return tuple((name.strip(), argument) for name, _colon, argument in pairs)


def _find_name_problem(name: str) -> str:
    if name in VALUE_NAMES or _OTHER_NAME.fullmatch(name):
        return ""
    if name.startswith((RECEIVER_PREFIX, ANSWER_PREFIX)):
        return "After the dot, write a letter, then letters, digits and underscores."
    known = ", ".join(f"{{{one}}}" for one in VALUE_NAMES)
    return f"{suggest(name, VALUE_NAMES)} Available: {known}.".lstrip()


def _find_step_problem(steps: tuple[tuple[str, str], ...]) -> str:
    if len(steps) > MAX_FILTERS:
        return f"It can have at most {MAX_FILTERS} filters (got {len(steps)})."
    for number, (name, argument) in enumerate(steps, start=1):
        if name not in FILTERS:
            return f"Unknown filter {name!r}. {suggest(name, FILTERS)}".rstrip() + (
                f" Available: {', '.join(FILTERS)}."
            )
        if problem := FILTERS[name].check(argument):
            return f"Filter {name}: {problem}"
        if name == "json" and number < len(steps):
            return "Filter json: It must be the last one."
    return ""
