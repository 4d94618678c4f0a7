"""Receivers that misbehave towards the worker: each delivery must have its own true answer."""

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs, urlsplit

from sqlalchemy import select

from callevents.db.models import Attempt, Delivery
from tests.hostile.arena import Arena, Case
from tests.hostile.probe import ask
from tests.hostile.requests_raw import FORM, PATH, new_id, post, report_body
from tests.hostile.scripts import BROKEN, SCRIPTS, Script
from tests.support.raw_server import Connection, RawServer
from tests.support.receiver import Receiver
from tests.support.waiting import wait_until

AT_ONCE = 24
#: The answers after the first one.
LATER = (500, 200)
#: The slowest one of several deliveries to a healthy receiver.
HEALTHY_SECONDS = 2.0


class Scripted:
    """A receiver that follows a script, and remembers which delivery came when."""

    def __init__(self, script: Script, *, is_first: bool = False) -> None:
        self.script = script
        #: True if each delivery is treated as the first one.
        self._is_first = is_first
        self.deliveries: list[str] = []
        self._lock = threading.Lock()
        self.server = RawServer(self._talk)

    def _talk(self, connection: Connection) -> None:
        while request := connection.read_request():
            target = request.split(b" ", 2)[1].decode()
            [delivery] = parse_qs(urlsplit(target).query)["DeliveryID"]
            with self._lock:
                number = 0 if self._is_first else len(self.deliveries)
                self.deliveries.append(delivery)
            self.script.talk(connection, number)
            if number == 0 and self.script.closes:
                return


def odd_answers(arena: Arena) -> Iterator[Case]:
    """Early answers, lying lengths, broken heads: one delivery's answer is taken for another's."""
    scripts = SCRIPTS[:: arena.scale(1, 9)]
    with contextlib.ExitStack() as stack:
        receivers = [Scripted(script) for script in scripts]
        for receiver in receivers:
            stack.enter_context(receiver.server)
        extensions = [f"odd{number}" for number in range(len(scripts))]
        for receiver, extension in zip(receivers, extensions, strict=True):
            _add_hook(arena, extension, receiver.server.url)
        with ThreadPoolExecutor(AT_ONCE) as threads:
            pairs = zip(receivers, extensions, strict=True)
            for complaints, script in zip(
                threads.map(lambda pair: _deliver(arena, *pair), pairs), scripts, strict=True
            ):
                for number, complaint in enumerate(complaints, 1):
                    yield Case(f"{script.name}, delivery {number}", complaint)


def endless_receivers(arena: Arena) -> Iterator[Case]:
    """Receivers that never end take all places: deliveries to others wait."""
    scripts = [script for script in SCRIPTS if script.forever]
    with contextlib.ExitStack() as stack:
        healthy = stack.enter_context(contextlib.closing(Receiver()))
        _add_hook(arena, "healthy", healthy.url)
        for number, script in enumerate(scripts):
            receivers = Scripted(script, is_first=True)
            stack.enter_context(receivers.server)
            _add_hook(arena, f"endless{number}", receivers.server.url)
            for _ in range(arena.scale(8, 2)):
                _report(arena, f"endless{number}")
        for number in range(1, arena.scale(20, 3) + 1):
            began = time.monotonic()
            _report(arena, "healthy")
            healthy.wait_for(number)
            seconds = time.monotonic() - began
            is_quick = arena.is_short or seconds < HEALTHY_SECONDS
            yield Case(f"delivery {number}", "" if is_quick else f"took {seconds:.1f} s")


def _add_hook(arena: Arena, extension: str, url: str) -> None:
    run = arena.product.commands.run
    run("extensions", "add", "target", extension)
    run("hooks", "set", "target", extension, "dial-in", "--url", f"{url}/{extension}")


def _report(arena: Arena, extension: str) -> None:
    key = new_id("call")
    body = report_body(key, ext=extension, call=key)
    token = f"X-Ingest-Token: {arena.product.token}"
    request = post(key, PATH, body, f"Content-Type: {FORM}", token)
    problem = ask(arena, request)
    assert not problem or problem.startswith("took"), problem


def _deliver(arena: Arena, receiver: Scripted, extension: str) -> Sequence[str]:
    """Have three deliveries made, one after the other; return what is wrong with each."""
    for number in range(1, 4):
        _report(arena, extension)

        def is_recorded(count: int = number) -> bool:
            return len(_attempts(arena, extension)) >= count

        wait_until(is_recorded, f"an attempt: {receiver.script.name}, {number}")
    attempts = _attempts(arena, extension)
    complaints = []
    for number, delivery in enumerate(receiver.deliveries[:3]):
        truths = receiver.script.truths if number == 0 else {LATER[number - 1]}
        if number == 1 and receiver.script.may_break_next:
            truths |= {BROKEN}
        complaints.append(judge(*attempts[delivery], truths))
    return complaints


def judge(status: int | None, error: str, truths: frozenset[int] | set[int]) -> str:
    """Return what is wrong with what was recorded of an attempt."""
    recorded = f"recorded {status} {error!r}, truly {sorted(truths)}"
    if (status or 0) not in truths:
        return recorded
    # Only a 2xx is a success, and every other answer has a sentence.
    is_success = status is not None and 200 <= status < 300
    return "" if is_success == (not error) else recorded


def _attempts(arena: Arena, extension: str) -> dict[str, tuple[int | None, str]]:
    """Return status and error of the extension's first attempts, by delivery."""
    statement: Any = (
        select(Attempt.delivery_id, Attempt.status_code, Attempt.error)
        .join(Delivery, Delivery.id == Attempt.delivery_id)
        .where(Delivery.extension == extension, Attempt.number == 1)
    )
    return {row.delivery_id: (row.status_code, row.error) for row in arena.product.query(statement)}


ATTACKS = (odd_answers, endless_receivers)
