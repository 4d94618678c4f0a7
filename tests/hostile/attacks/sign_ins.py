"""Strangers who try to sign in, many at once: each password costs memory to compare."""

import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

from tests.hostile.arena import Arena, Case
from tests.hostile.probe import probe
from tests.hostile.requests_raw import FORM, get, new_id, post
from tests.hostile.wire import Answer, Client, TornError

AT_ONCE = 24
MAX_MEMORY_MB = 400.0
_CSRF = re.compile(rb'name="csrf_token"[^>]* value="([^"]+)"')
#: Wrong, right but late, and refused because too many are compared already.
EXPECTED = {422, 429, 503}


def parallel_sign_ins(arena: Arena) -> Iterator[Case]:
    """24 strangers from as many addresses sign in at once, again and again: memory runs out."""
    with _Peak(arena) as peak, ThreadPoolExecutor(AT_ONCE) as threads:
        answers = threads.map(lambda number: _sign_in(arena, number), range(arena.scale(4, 1) * 24))
        for number, complaint in enumerate(answers):
            yield Case(f"sign-in {number}", complaint)
        yield from probe(arena, "beside them")
    is_bounded = peak.megabytes < MAX_MEMORY_MB
    yield Case("memory meanwhile", "" if is_bounded else f"{peak.megabytes:.0f} MB")


class _Peak:
    """Measures the web server's memory all the time."""

    def __init__(self, arena: Arena) -> None:
        self.megabytes = 0.0
        self._arena = arena
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._measure)

    def __enter__(self) -> "_Peak":
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _measure(self) -> None:
        while not self._stop.wait(0.02):
            self.megabytes = max(self.megabytes, self._arena.product.largest_mb())


def _sign_in(arena: Arena, number: int) -> str:
    """Try a user that does not exist, from an address of its own; return what was wrong."""
    source = f"127.9.{number // 250}.{number % 250 + 1}"
    try:
        with Client(arena.product.port, source=source, timeout=30) as client:
            page = client.ask(get(new_id("form"), "/sign-in"))
            began = time.monotonic()
            answer = client.ask(_form(page, f"stranger{number}"))
    except (OSError, TornError) as error:
        return f"no answer: {type(error).__name__}"
    if answer.status not in EXPECTED:
        return f"answered {answer.status}"
    if answer.status == 503 and "retry-after" not in answer.headers:
        return "a 503 without Retry-After"
    seconds = time.monotonic() - began
    return f"took {seconds:.1f} s" if seconds > 10 and not arena.is_short else ""


def _form(page: Answer, username: str) -> bytes:
    found = _CSRF.search(page.body)
    assert found, "no form"
    fields = {"csrf_token": found[1].decode(), "username": username, "password": "wrong" * 3}
    cookie = page.headers.get("set-cookie", "").partition(";")[0]
    body = urlencode(fields).encode()
    return post(new_id("form"), "/sign-in", body, f"Content-Type: {FORM}", f"Cookie: {cookie}")


ATTACKS = (parallel_sign_ins,)
