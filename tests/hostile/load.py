"""A small well-behaved load: PBXs report events, and a monitor asks for /healthz."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlencode

from tests.hostile.wire import Answer, Client, TornError
from tests.support.receiver import Arrival, Receiver, Reply
from tests.support.waiting import wait_until

EXTENSION = "100"
PATH = "/ingest/office"
#: Reports of each reporter, and questions of the monitor, in a second.
RATE = 10
ARRIVAL_SECONDS = 30.0


@dataclass
class Record:
    """What happened since the last one. Seconds by report, and complaints."""

    accepted: set[str] = field(default_factory=set)
    seconds: list[float] = field(default_factory=list)
    complaints: Counter[str] = field(default_factory=Counter)


class Load:
    """Reports until it is stopped; a receiver counts what is delivered."""

    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self._token = token
        self._record = Record()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._arrived: set[str] = set()
        self._receiver = Receiver()
        self._receiver.reply = self._receive
        #: Where its hook sends what it reports.
        self.url = self._receiver.url
        styles = (self._get, self._post_json, self._post_form, self._post_json)
        works: list[Callable[[], None]] = [self._monitor]
        works += [
            self._reporter(number, style, keeps_alive=number == 3)
            for number, style in enumerate(styles)
        ]
        self._threads = [threading.Thread(target=self._repeat, args=(work,)) for work in works]

    def start(self) -> None:
        """Start reporting."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._receiver.close()

    def take(self) -> Record:
        """Return what happened since the last call, once the events have arrived or are late."""
        with self._lock:
            record, self._record = self._record, Record()
        with suppress(AssertionError):
            wait_until(lambda: not self._find_missing(record), "the events", ARRIVAL_SECONDS)
        if missing := self._find_missing(record):
            record.complaints["accepted and not delivered"] += len(missing)
        return record

    def _find_missing(self, record: Record) -> set[str]:
        return record.accepted - self._arrived

    def _receive(self, arrival: Arrival) -> Reply:
        self._arrived.add(arrival.parameters["CallID"])
        return Reply()

    def _repeat(self, work: Callable[[], None]) -> None:
        due = time.monotonic()
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            work()
            due = max(due + 1 / RATE, time.monotonic() - 1)

    def _monitor(self) -> None:
        try:
            with Client(self._port) as client:
                status = client.ask(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").status
        except (OSError, TornError) as error:
            self._complain(f"/healthz: {type(error).__name__}")
        else:
            if status != 200:
                self._complain(f"/healthz answers {status}")

    def _reporter(
        self, number: int, style: Callable[[str], bytes], *, keeps_alive: bool
    ) -> Callable[[], None]:
        kept: list[Client] = []
        count = 0

        def report() -> None:
            nonlocal count
            count += 1
            call = f"call-{number}-{count}"
            began = time.monotonic()
            try:
                answer = self._ask(style(call), kept)
            except (OSError, TornError) as error:
                self._complain(f"a report: {type(error).__name__}")
                return
            finally:
                if not keeps_alive or self._stop.is_set():
                    while kept:
                        kept.pop().close()
            self._note(call, answer.status, time.monotonic() - began)

        return report

    def _ask(self, data: bytes, kept: list[Client]) -> Answer:
        """Send the request; again if the kept connection was closed, as HTTP clients do."""
        if kept:
            try:
                return kept[-1].ask(data)
            except ConnectionError:
                kept.pop().close()
        kept.append(Client(self._port))
        return kept[-1].ask(data)

    def _note(self, call: str, status: int, seconds: float) -> None:
        if status not in {200, 202}:
            self._complain(f"a report was answered {status}")
            return
        with self._lock:
            self._record.accepted.add(call)
            self._record.seconds.append(seconds)

    def _complain(self, complaint: str) -> None:
        with self._lock:
            self._record.complaints[complaint] += 1

    def _fields(self, call: str) -> dict[str, str]:
        return {"event": "dial-in", "ext": EXTENSION, "call": call, "id": call}

    def _get(self, call: str) -> bytes:
        query = urlencode({**self._fields(call), "token": self._token})
        return f"GET {PATH}?{query} HTTP/1.1\r\nHost: x\r\n\r\n".encode()

    def _post_json(self, call: str) -> bytes:
        return self._post("application/json", json.dumps(self._fields(call)))

    def _post_form(self, call: str) -> bytes:
        return self._post("application/x-www-form-urlencoded", urlencode(self._fields(call)))

    def _post(self, kind: str, body: str) -> bytes:
        return (
            f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\n"
            f"X-Ingest-Token: {self._token}\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        ).encode()
