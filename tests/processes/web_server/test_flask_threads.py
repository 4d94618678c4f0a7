"""Threads in which Flask answers: failures, and a limit of requests that wait."""

import asyncio
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from callevents.processes.web_server.flask_threads import MAX_WAITING, FlaskThreads
from callevents.processes.web_server.response import Response
from tests.support.log_capture import Logged


class Asked:
    """Requests to an application in one thread."""

    def __init__(self, app: Any) -> None:
        self._app = app
        #: What was sent before any thread was waited for, and all.
        self.first: list[Response] = []
        self.responses: list[Response] = []

    def run(self, rounds: list[int], go_on: Callable[[], object] = lambda: None) -> None:
        """Send so many requests at once in each round; then `go_on` lets the threads go on."""
        # In a thread: the browser tests have an event loop in this one.
        with ThreadPoolExecutor(1) as thread:
            thread.submit(lambda: asyncio.run(self._run(rounds, go_on))).result()

    async def _run(self, rounds: list[int], go_on: Callable[[], object]) -> None:
        threads = FlaskThreads(self._app, 1, "test")
        for count in rounds:
            is_complete = asyncio.Event()
            wanted = len(self.responses) + count

            def send(response: Response, wanted: int = wanted, done: Any = is_complete) -> None:
                self.responses.append(response)
                if len(self.responses) == wanted:
                    done.set()

            for _ in range(count):
                threads.respond({}, send)
            at_once = len(self.responses) - (wanted - count)
            await asyncio.sleep(0)
            self.first += self.responses[wanted - count :]
            go_on()
            assert not at_once, "a response was sent too early"
            async with asyncio.timeout(30):
                await is_complete.wait()
        threads.close()


def test_failure(logged: Logged) -> None:
    """An application that fails is a 500, and its error is logged."""

    def fail(_environ: object, _start: object) -> Iterable[bytes]:
        raise ValueError("of the test")

    asked = Asked(fail)
    asked.run([1])
    [response] = asked.responses
    assert response.status == 500
    assert b"The server failed to answer this request." in response.body
    assert logged.text.count("ValueError: of the test") == 1


def test_failure_after_the_response(logged: Logged) -> None:
    """What fails after the response does not change it, and is logged."""

    class Chunks(list[bytes]):
        def close(self) -> None:
            raise ValueError("of the test")

    def respond(_environ: object, start: Any) -> Iterable[bytes]:
        start("200 OK", [("X", "y")])
        return Chunks([b"a", b"b"])

    asked = Asked(respond)
    asked.run([1])
    assert asked.responses == [Response(200, [("X", "y")], b"ab")]
    assert logged.text.count("ValueError: of the test") == 1


def test_too_many_wait() -> None:
    """Beyond the limit, requests are refused at once; all others are answered, and make room."""
    go_on = threading.Event()

    def respond(_environ: object, start: Any) -> Iterable[bytes]:
        assert go_on.wait(30)
        start("200 OK", [])
        return [b""]

    asked = Asked(respond)
    asked.run([1 + MAX_WAITING + 3, 1], go_on.set)
    assert [response.status for response in asked.first] == [503] * 3
    assert list(asked.first[0].headers)[1:] == [("Retry-After", "1")]
    assert [one.status for one in asked.responses[3:]] == [200] * (1 + MAX_WAITING + 1)
