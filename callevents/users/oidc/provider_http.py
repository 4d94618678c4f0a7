"""HTTP with a provider: limited in number, time and size, and without redirects."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import Any

import requests

from callevents.errors import BusyError

#: For connecting, and for each silence.
TIMEOUT_SECONDS = (3, 5)
#: For a whole answer.
TOTAL_SECONDS = 10
MAX_BYTES = 1024 * 1024
#: Threads of a web process that wait for providers at the same time: half of those for pages, by
#: default. Visitors without an account can begin a sign-in, and a provider may hang.
MAX_WAITING = 4

_places = BoundedSemaphore(MAX_WAITING)


@contextmanager
def one_of_few() -> Iterator[None]:
    """Hold one of the places for waiting for a provider; raises BusyError if all are taken."""
    if not _places.acquire(blocking=False):
        raise BusyError
    try:
        yield
    finally:
        _places.release()


def get_json(url: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the JSON object at the URL; raises ValueError or requests.RequestException."""
    response = requests.get(
        url,
        headers={"Accept": "application/json", **(headers or {})},
        timeout=TIMEOUT_SECONDS,
        allow_redirects=False,
        stream=True,
    )
    with response:
        if response.status_code != 200:
            raise ValueError(f"{url} returned {response.status_code}")
        found = json.loads(_read(response))
    if not isinstance(found, dict):
        raise ValueError(f"{url} returned no JSON object")  # a wrong value
    return found


def _read(response: requests.Response) -> bytes:
    body, deadline = bytearray(), time.monotonic() + TOTAL_SECONDS
    for chunk in response.iter_content(16 * 1024):
        body += chunk
        if len(body) > MAX_BYTES or time.monotonic() > deadline:
            raise ValueError(f"{response.url} returned too much, or too slowly")
    return bytes(body)
