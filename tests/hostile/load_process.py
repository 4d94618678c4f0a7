"""The load in a process of its own: attacks must not slow it down by themselves."""

import multiprocessing
from multiprocessing.connection import Connection

from tests.hostile.load import Load, Record

#: Longest wait for the start, and for the load's events to arrive.
TIMEOUT_SECONDS = 60.0


class LoadProcess:
    """Starts the process; it reports from `start` on."""

    def __init__(self, port: int, token: str) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, pipe = context.Pipe()
        self._process = context.Process(target=_run, args=(pipe, port, token), daemon=True)
        self._process.start()
        self.url = str(self._receive())

    def start(self) -> None:
        """Start reporting."""
        self._pipe.send("start")

    def take(self) -> Record:
        """Return what happened since the last call, once the events have arrived or are late."""
        self._pipe.send("take")
        record = self._receive()
        assert isinstance(record, Record)
        return record

    def close(self) -> None:
        """Stop."""
        self._pipe.send("close")
        self._process.join()

    def _receive(self) -> object:
        assert self._pipe.poll(TIMEOUT_SECONDS), "the load's process does not answer"
        return self._pipe.recv()


def _run(pipe: Connection, port: int, token: str) -> None:
    load = Load(port, token)
    pipe.send(load.url)
    is_started = False
    while (command := pipe.recv()) != "close":
        if command == "start":
            load.start()
            is_started = True
        else:
            pipe.send(load.take())
    if is_started:
        load.close()
