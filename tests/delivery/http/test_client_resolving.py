"""Host names whose name servers hang: the system's resolver cannot be stopped, attempts can."""

import os
import platform
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from callevents.delivery.http.client import HttpClient
from tests.delivery.conftest import MakeTransport, Serve
from tests.delivery.http.sending import TOO_LONG, get
from tests.support.raw_server import OK, answers
from tests.support.waiting import DEADLINE_SECONDS, wait_until

pytestmark = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="only glibc reads HOSTALIASES"
)

#: Without a dot, so that the resolver looks for an alias first.
URL = "http://hanging/"


class HangingResolver:
    """The system's resolver, which waits for its file of aliases: a pipe that nobody writes to."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer = -1
        os.mkfifo(path)

    def is_asked(self) -> bool:
        """Return True if somebody waits for it; they go on waiting."""
        with suppress(OSError):  # ENXIO: nobody reads.
            self._writer = os.open(self._path, os.O_WRONLY | os.O_NONBLOCK)
        return self._writer >= 0

    def release(self) -> None:
        """Let all who wait find no alias."""
        if self._writer < 0:
            self._writer = os.open(self._path, os.O_RDWR)
        self._path.unlink()
        os.close(self._writer)


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    """Threads for attempts, which end after the resolver's release."""
    with ThreadPoolExecutor() as executor:
        yield executor


@pytest.fixture
def resolver(
    threads: ThreadPoolExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[HangingResolver]:
    """Makes the system's resolver hang for names without a dot, until the end of the test."""
    hanging = HangingResolver(tmp_path / "aliases")
    monkeypatch.setenv("HOSTALIASES", str(tmp_path / "aliases"))
    yield hanging
    hanging.release()


def start(threads: ThreadPoolExecutor, http_client: HttpClient) -> Callable[[], str]:
    """Start an attempt; return a function that waits for its error."""
    running = threads.submit(get, http_client, URL)
    return lambda: running.result(DEADLINE_SECONDS).error


@pytest.mark.usefixtures("resolver")
@pytest.mark.parametrize(
    ("limits", "error"),
    [
        ({"connect_timeout_seconds": 0.2}, "No connection within 0.2 seconds."),
        ({"total_timeout_seconds": 0.2}, TOO_LONG),
    ],
)
def test_resolving_is_limited_in_time(
    threads: ThreadPoolExecutor,
    make_transport: MakeTransport,
    limits: dict[str, float],
    error: str,
) -> None:
    """An attempt ends in time, and leaves its thread, although the resolver hangs on."""
    assert start(threads, make_transport(**limits))() == error


@pytest.mark.parametrize("proxy_url", ["", "http://127.0.0.1:9", "http://hanging:9"])
@pytest.mark.parametrize("closes", [False, True])
def test_interrupt_ends_resolving(
    threads: ThreadPoolExecutor,
    resolver: HangingResolver,
    make_transport: MakeTransport,
    proxy_url: str,
    closes: bool,
) -> None:
    """An attempt that waits for a name, to connect or to check it, ends when the worker stops."""
    limits = {"connect_timeout_seconds": 60, "total_timeout_seconds": 600}
    http_client = make_transport(proxy_url=proxy_url, **limits)
    find_error = start(threads, http_client)
    wait_until(resolver.is_asked, "the resolver to be asked")
    if closes:
        http_client.close()
    else:
        http_client.interrupt()
    assert find_error() == "The worker stopped during this attempt."


@pytest.mark.usefixtures("resolver")
def test_proxy_gets_names_that_do_not_resolve_here_in_time(
    threads: ThreadPoolExecutor, make_transport: MakeTransport, serve: Serve
) -> None:
    """Like names that do not resolve here at all; but not after the time of the attempt."""
    proxy = serve(answers(OK))
    proxied = make_transport(proxy_url=proxy.url, connect_timeout_seconds=2)
    assert start(threads, proxied)() == ""
    assert proxy.accepted == 1
    late = make_transport(proxy_url=proxy.url, total_timeout_seconds=0.2)
    assert start(threads, late)() == TOO_LONG
    assert len(proxy.requests) == 1
