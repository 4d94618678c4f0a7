"""A deadline that is moved, in the event loop of the web server."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor

import pytest
import uvloop

from callevents.processes.web_server.deadline import Deadline


def run(main: Coroutine[None, None, None]) -> None:
    """Run it in uvloop, in another thread: the tests' own may have a loop of the browser."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(uvloop.run, main).result()


@pytest.mark.parametrize("first", [0, 0.0003, 0.02])
@pytest.mark.parametrize("then", [0, 0.0003, 0.02])
def test_moved_when_it_is_over(first: float, then: float) -> None:
    """The function moves the deadline: it is called again, however near the two are."""

    async def expire_twice() -> None:
        over = asyncio.Event()

        def expired() -> None:
            calls.append(loop.time())
            if len(calls) == 1:
                deadline.set(then)
            else:
                over.set()

        loop = asyncio.get_running_loop()
        calls: list[float] = []
        started = loop.time()
        deadline = Deadline(first, expired)
        await asyncio.wait_for(over.wait(), 30)
        assert calls[0] >= started + first
        assert calls[1] >= calls[0] + then

    run(expire_twice())


@pytest.mark.parametrize("first", [0, 0.0003, 60])
def test_moved_forward(first: float) -> None:
    """A deadline that is set earlier is reached earlier."""

    async def expire() -> None:
        over = asyncio.Event()
        deadline = Deadline(first, over.set)
        deadline.set(0)
        await asyncio.wait_for(over.wait(), 30)

    run(expire())


def test_moved_back_and_cancelled() -> None:
    """A deadline that is moved back is not reached at its first time, nor one that is cancelled."""

    async def wait() -> None:
        over = asyncio.Event()
        moved, cancelled = Deadline(0, over.set), Deadline(0, over.set)
        moved.set(60)
        cancelled.cancel()
        later = asyncio.Event()
        asyncio.get_running_loop().call_later(0.01, later.set)
        await later.wait()
        assert not over.is_set()
        moved.cancel()

    run(wait())
