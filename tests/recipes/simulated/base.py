"""What simulated receivers share: refusals, and responses in JSON."""

import json
from collections.abc import Callable, Mapping
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from tests.support.receiver import Arrival, Receiver, Reply

JSON = "application/json"


class Refused(Exception):  # noqa: N818  # what the receiver does, and no error of the test
    """The receiver does not accept a request: the status and the body of its response."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(f"{status} {body}")
        self.status = status
        self.body = body


class Simulated:
    """Answers requests as a receiver does. Put it into `Receiver.reply`.

    `refused` has all refusals, for tests that expect none.
    """

    #: Answers to the questions of its recipe; `URL` stands for its address.
    answers: ClassVar[Mapping[str, str]] = {}

    def __init__(self) -> None:
        self.refused: list[Refused] = []

    def __call__(self, arrival: Arrival) -> Reply:
        """Return the response to a request."""
        try:
            return self.answer(arrival)
        except Refused as refused:
            self.refused.append(refused)
            return as_json(refused.body, refused.status)

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


def as_json(body: Any, status: int = 200) -> Reply:
    """Return a response with a JSON body."""
    return Reply(status, {"Content-Type": JSON}, json.dumps(body).encode())


def read_header(arrival: Arrival, name: str) -> str:
    """Return the value of a header; empty without it."""
    found = {key.lower(): value for key, value in arrival.headers.items()}
    return found.get(name.lower(), "")


def read_json(arrival: Arrival, refuse: Callable[[str], Refused]) -> Any:
    """Return the JSON body; raises what `refuse` makes of the problem."""
    if read_header(arrival, "Content-Type").partition(";")[0] != JSON:
        raise refuse("The body is not JSON.")
    try:
        return json.loads(arrival.body)
    except ValueError as error:
        raise refuse(str(error)) from None


def read_form(arrival: Arrival) -> dict[str, str]:
    """Return the fields of a form and of the query."""
    text = "&".join(part for part in (urlsplit(arrival.target).query, arrival.body) if part)
    pairs = parse_qs(text, keep_blank_values=True, strict_parsing=True, errors="strict")
    return {name: values[-1] for name, values in pairs.items()}
