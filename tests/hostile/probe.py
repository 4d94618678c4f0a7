"""Asks, in the middle of an attack, whether others are still served."""

import time
from collections.abc import Iterator

from tests.hostile.arena import Arena, Case
from tests.hostile.requests_raw import get, new_id, report
from tests.hostile.wire import Client, TornError

#: Longest time of an answer beside an attack. The short form only wants one at all.
SECONDS = 1.0
SHORT_SECONDS = 20.0


def probe(arena: Arena, moment: str) -> Iterator[Case]:
    """Yield a case for /healthz, a page and a report."""
    for name, data in (
        ("/healthz", get(new_id("probe"))),
        ("a page", get(new_id("probe"), "/sign-in")),
        ("a report", report(arena.product, new_id("probe"))),
    ):
        yield Case(f"{name} {moment}", ask(arena, data))


def ask(arena: Arena, data: bytes) -> str:
    """Return what was wrong with the answer on a new connection."""
    limit = SHORT_SECONDS if arena.is_short else SECONDS
    began = time.monotonic()
    try:
        with Client(arena.product.port, timeout=2 * limit) as client:
            answer = client.ask(data)
    except (OSError, TornError) as error:
        return f"no answer: {type(error).__name__}"
    seconds = time.monotonic() - began
    if answer.status not in {200, 202}:
        return f"answered {answer.status}"
    return f"took {seconds:.1f} s" if seconds > limit else ""
