"""The event loop: calls functions one at a time in its thread, whatever they raise."""

import threading
from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from callevents.delivery.http.event_loop import EventLoop
from tests.support.log_capture import Logged
from tests.support.waiting import DEADLINE_SECONDS, wait_until

MakeLoop = Callable[..., EventLoop]


def nothing() -> None:
    """Do nothing."""


@pytest.fixture
def make_loop() -> Iterator[MakeLoop]:
    """Creates event loops, which end with the test."""
    loops: list[EventLoop] = []

    def make(look: Callable[[], bool] = lambda: False) -> EventLoop:
        loops.append(EventLoop(look))
        return loops[-1]

    yield make
    for loop in loops:
        loop.close(nothing)


def test_functions_are_called_in_order_in_one_thread(make_loop: MakeLoop) -> None:
    """Functions that many threads pass run one at a time, those of one thread in order."""
    loop = make_loop()
    called: list[tuple[int, int, int]] = []

    def call_many(number: int) -> None:
        for count in range(200):
            loop.call(lambda count=count: called.append((number, count, threading.get_ident())))

    threads = [threading.Thread(target=call_many, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_until(lambda: len(called) == 8 * 200, "all functions")
    assert len({ident for _number, _count, ident in called}) == 1
    for number in range(8):
        assert [count for one, count, _ in called if one == number] == list(range(200))


def test_functions_may_pass_more(make_loop: MakeLoop) -> None:
    """A function that is passed by another is called after that one has returned."""
    loop = make_loop()
    running = 0
    depths: set[int] = set()
    ended = threading.Event()

    def go_on(left: int) -> None:
        nonlocal running
        running += 1
        depths.add(running)
        if not loop.call(lambda: go_on(left - 1) if left else ended.set()):
            ended.set()
        running -= 1

    # More than Python's limit of recursion.
    loop.call(lambda: go_on(5000))
    assert ended.wait(DEADLINE_SECONDS)
    assert depths == {1}


def test_errors_end_nothing(app: Flask, make_loop: MakeLoop, logged: Logged) -> None:
    """A function that fails, and a look that fails, are logged; the loop goes on."""
    looks = threading.Semaphore(0)

    def look() -> bool:
        looks.release()
        raise ValueError("bad look")

    loop = make_loop(look)

    def fail() -> None:
        raise ValueError("bad function")

    loop.call(fail)
    for _ in range(2):
        assert looks.acquire(timeout=DEADLINE_SECONDS), "it does not look any more"
    called = threading.Event()
    loop.call(called.set)
    assert called.wait(DEADLINE_SECONDS)
    assert "bad function" in logged.text
    assert "bad look" in logged.text


def test_idle_loop_is_woken(make_loop: MakeLoop) -> None:
    """A loop that has nothing to do and nothing to look at calls a function at once."""
    looks = threading.Semaphore(0)

    def look() -> bool:
        looks.release()
        return False

    loop = make_loop(look)
    for _ in range(3):
        called = threading.Event()
        loop.call(called.set)
        assert called.wait(DEADLINE_SECONDS)
        assert looks.acquire(timeout=DEADLINE_SECONDS), "it never looks"
        assert not looks.acquire(blocking=False), "it looks without a reason"


def test_close_calls_the_rest(make_loop: MakeLoop) -> None:
    """What was passed before the end is called, then the last; later functions are refused."""
    loop = make_loop()
    called: list[int] = []
    go = threading.Event()
    loop.call(go.wait)
    for number in range(50):
        assert loop.call(lambda number=number: called.append(number))
    closing = threading.Thread(target=loop.close, args=(lambda: called.append(50),))
    closing.start()
    wait_until(lambda: not loop.call(lambda: called.append(-1)), "the beginning of the end")
    assert closing.is_alive()
    go.set()
    closing.join()
    assert [number for number in called if number >= 0] == list(range(51))
    loop.close(nothing)


def test_unused_loop_has_no_thread(make_loop: MakeLoop) -> None:
    """Without a call there is no thread, and closing calls nothing."""
    before = set(threading.enumerate())
    loop = make_loop()
    loop.close(lambda: pytest.fail("there is nothing to end"))
    assert set(threading.enumerate()) <= before
    assert not loop.call(nothing)
