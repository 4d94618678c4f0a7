"""A PBX under load: calls of three events each, reported in order until each is acknowledged."""

import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

import requests

#: The events of a call, in their order.
EVENTS = ("dial-in", "answer-in", "hangup")
CALLERS = 24
RETRY_SECONDS = 0.2
#: Timeouts for connecting and for the response.
TIMEOUT_SECONDS = (2.0, 10.0)
#: Maximum time to retry a report; the product has then not recovered.
LONGEST_SECONDS = 90.0

#: A call's id and the event's name.
Event = tuple[str, str]


@dataclass
class Reported:
    """What the PBX recorded: when each event was acknowledged, and errors."""

    acknowledged: dict[Event, float] = field(default_factory=dict)
    repeated: int = 0
    retries: int = 0
    unexpected: Counter[str] = field(default_factory=Counter)

    def __add__(self, other: "Reported") -> "Reported":
        return Reported(
            self.acknowledged | other.acknowledged,
            self.repeated + other.repeated,
            self.retries + other.retries,
            self.unexpected + other.unexpected,
        )


class Pbx:
    """Reports calls of one extension at an even pace, over one or more web servers."""

    def __init__(
        self, addresses: list[str], token: str, extension: str, *, rate: float, seed: int
    ) -> None:
        self.reported = Reported()
        self._addresses = addresses
        self._token = token
        self._extension = extension
        self._seconds_per_call = len(EVENTS) / rate
        self._seed = seed
        self._next = 0
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._began = 0.0
        self._threads = [
            threading.Thread(target=self._run, args=(n,), daemon=True) for n in range(CALLERS)
        ]

    def start(self) -> None:
        """Start reporting."""
        self._began = time.monotonic()
        for thread in self._threads:
            thread.start()

    def stop(self) -> Reported:
        """Start no further call; return when all events of running calls are acknowledged."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        return self.reported

    def _run(self, caller: int) -> None:
        with requests.Session() as session:
            session.trust_env = False
            while (number := self._wait_for_turn()) is not None:
                self._make_call(session, caller, number)

    def _wait_for_turn(self) -> int | None:
        with self._lock:
            number = self._next
            self._next += 1
        due = self._began + number * self._seconds_per_call
        return None if self._stop.wait(max(0.0, due - time.monotonic())) else number

    def _make_call(self, session: requests.Session, caller: int, number: int) -> None:
        # Some calls go so fast that their events are open together, others take their time.
        dice = random.Random(f"{self._seed} {number}")
        longest_gap = dice.choice((0.0, 0.05, 0.4))
        call = f"{self._extension}-{number}"
        for event in EVENTS:
            if not self._report(session, caller, (call, event)):
                return  # What comes later would be out of order by the PBX's own fault.
            time.sleep(dice.uniform(0, longest_gap))

    def _report(self, session: requests.Session, caller: int, event: Event) -> bool:
        """Report the event until it is acknowledged; return True if it was."""
        call, name = event
        fields = {"event": name, "ext": self._extension, "peer": "0612", "call": call}
        fields |= {"leg": call, "token": self._token}
        give_up_at = time.monotonic() + LONGEST_SECONDS
        # A call's events go to the web servers in turn.
        attempt = caller + EVENTS.index(name)
        while time.monotonic() < give_up_at:
            answer = self._try(session, self._addresses[attempt % len(self._addresses)], fields)
            if answer in {200, 202}:
                self.reported.acknowledged[event] = time.monotonic()
                self.reported.repeated += answer == 200
                return True
            attempt += 1
            self.reported.retries += 1
            time.sleep(RETRY_SECONDS)
        self.reported.unexpected[f"not acknowledged within {LONGEST_SECONDS:g} s"] += 1
        return False

    def _try(self, session: requests.Session, address: str, fields: dict[str, str]) -> int:
        """Return the response's status, 0 if there was none."""
        try:
            answer = session.post(f"{address}/ingest/faults", data=fields, timeout=TIMEOUT_SECONDS)
        except requests.RequestException:
            return 0
        if answer.status_code not in {200, 202, 503}:
            self.reported.unexpected[f"a report was answered {answer.status_code}"] += 1
        return answer.status_code
