"""What simulated receivers share: refusals, reading of requests, and checks of values."""

import base64
import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from tests.support.receiver import Arrival, Receiver, Reply

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
TEXT = "text/plain; charset=utf-8"

#: Returns True if a receiver accepts the value of a field.
Check = Callable[[Any], bool]


class Refused(Exception):  # noqa: N818  # what the receiver does, and no error of the test
    """The receiver does not accept a request: the status and the body of its response.

    Some receivers refuse with a status of success. `reason` says why, where the body does not.
    """

    def __init__(self, status: int, body: Any, kind: str = JSON, reason: str = "") -> None:
        super().__init__(f"{status} {reason or body}")
        self.status = status
        self.body = body
        self.kind = kind

    def as_reply(self) -> Reply:
        """Return the response: in JSON, or the text as it is if the body is of another kind."""
        if self.kind == JSON:
            return as_json(self.body, self.status)
        return Reply(self.status, {"Content-Type": self.kind}, self.body.encode())


class Simulated:
    """Answers requests as a receiver does. Put it into `Receiver.reply`.

    `refused` has all refusals, for tests that expect none.
    """

    #: Answers to the questions of its recipe; `URL` stands for its address.
    answers: ClassVar[Mapping[str, str]] = {}
    #: Its users by extension, for recipes with a user map.
    users: ClassVar[Mapping[str, str]] = {}

    def __init__(self) -> None:
        self.refused: list[Refused] = []

    def __call__(self, arrival: Arrival) -> Reply:
        """Return the response to a request."""
        try:
            return self.answer(arrival)
        except Refused as refused:
            self.refused.append(refused)
            return refused.as_reply()

    def answer(self, arrival: Arrival) -> Reply:
        """Return the response to a request; raises Refused."""
        raise NotImplementedError

    @classmethod
    def answers_at(cls, url: str) -> dict[str, str]:
        """Return the answers to the questions of its recipe, for a receiver at the URL."""
        return {name: value.replace("URL", url) for name, value in cls.answers.items()}


def listen(simulated: Simulated, port: int = 0) -> Receiver:
    """Return a receiver on a socket that answers as the simulated one."""
    receiver = Receiver(port)
    receiver.reply = simulated
    return receiver


def post(simulated: Simulated, path: str, body: Any, **headers: str) -> Reply:
    """Return the response to a POST of a JSON body, or of a form if the body is a text.

    Underscores in the names of headers stand for hyphens.
    """
    is_form = isinstance(body, str)
    kind = FORM if is_form else JSON
    text = body if is_form else json.dumps(body)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return simulated(Arrival("POST", path, {"Content-Type": kind, **named}, text))


def as_json(body: Any, status: int = 200, kind: str = JSON) -> Reply:
    """Return a response with a JSON body."""
    return Reply(status, {"Content-Type": kind}, json.dumps(body).encode())


def read_header(arrival: Arrival, name: str) -> str:
    """Return the value of a header; empty without it."""
    found = {key.lower(): value for key, value in arrival.headers.items()}
    return found.get(name.lower(), "")


def read_json(arrival: Arrival, refuse: Callable[[str], Refused]) -> Any:
    """Return the JSON body; raises what `refuse` makes of the problem."""
    if not is_json(arrival):
        raise refuse("The body is not JSON.")
    return parse_json(arrival, refuse)


def read_object(arrival: Arrival, refuse: Callable[[str], Refused]) -> dict[str, Any]:
    """Return the JSON object in the body; raises what `refuse` makes of the problem."""
    return _check_object(read_json(arrival, refuse), refuse)


def parse_object(arrival: Arrival, refuse: Callable[[str], Refused]) -> dict[str, Any]:
    """Return the JSON object in the body, whatever its content type is."""
    return _check_object(parse_json(arrival, refuse), refuse)


def parse_json(arrival: Arrival, refuse: Callable[[str], Refused]) -> Any:
    """Return the JSON in the body, whatever its content type is."""
    try:
        return json.loads(arrival.body)
    except ValueError as error:
        raise refuse(str(error)) from None


def _check_object(found: Any, refuse: Callable[[str], Refused]) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise refuse("The body is no object.")
    return found


def read_kind(arrival: Arrival) -> str:
    """Return the media type of the body, without parameters; empty without it."""
    return read_header(arrival, "Content-Type").partition(";")[0]


def is_json(arrival: Arrival) -> bool:
    """Return True if the content type is JSON."""
    return read_kind(arrival) == JSON


def check_types(
    values: Mapping[str, Any],
    types: Mapping[str, type | tuple[type, ...]],
    refuse: Callable[[str], Refused],
) -> None:
    """Raise what `refuse` makes of a value that is of another type; null is of every type."""
    for name, kind in types.items():
        value = values.get(name)
        is_boolean = isinstance(value, bool) and kind is not bool
        if value is not None and (is_boolean or not isinstance(value, kind)):
            raise refuse(f"{name} is of the wrong type.")


def read_basic(arrival: Arrival) -> tuple[str, str] | None:
    """Return username and password of HTTP Basic authentication."""
    kind, _, value = read_header(arrival, "Authorization").partition(" ")
    if kind != "Basic":
        return None
    user, _, password = base64.b64decode(value).decode().partition(":")
    return user, password


def read_form(arrival: Arrival) -> dict[str, str]:
    """Return the fields of a form and of the query."""
    text = "&".join(part for part in (urlsplit(arrival.target).query, arrival.body) if part)
    pairs = parse_qs(text, keep_blank_values=True, strict_parsing=True, errors="strict")
    return {name: values[-1] for name, values in pairs.items()}


def find_problem(values: Any, checks: Mapping[str, Check]) -> str:
    """Return which of the fields is missing or invalid; empty if all are there and valid."""
    if not isinstance(values, dict):
        return "The body is no object."
    for name, is_valid in checks.items():
        if name not in values:
            return f"{name} is missing."
        if not is_valid(values[name]):
            return f"{name} is {values[name]!r}."
    return ""


def one_of(*allowed: Any) -> Check:
    """Return the check that a value is one of these."""
    return lambda value: value in allowed


def matches(pattern: str) -> Check:
    """Return the check that a value is a text of which all matches."""
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None


def is_text(value: Any) -> bool:
    """Return True for a text, which may be empty."""
    return isinstance(value, str)


def is_date_and_time(value: Any) -> bool:
    """Return True for a text such as `2026-03-01 22:30:15`: receivers mean UTC."""
    try:
        return bool(datetime.strptime(value, "%Y-%m-%d %H:%M:%S"))  # noqa: DTZ007  # it has no zone
    except (TypeError, ValueError):
        return False


def is_moment(value: Any) -> bool:
    """Return True for a time as in RFC 3339, such as `2026-03-01T22:30:15.250Z`."""
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except (TypeError, ValueError):
        return False
