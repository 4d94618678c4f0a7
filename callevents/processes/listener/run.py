"""The listener process: connects to PBXs, tracks their calls, and stores call events."""

import signal
from types import FrameType

import structlog
from flask import Flask

from callevents.processes.listener.listener import Listener
from callevents.processes.memory import prepare_memory

log = structlog.get_logger("callevents.listener")


def run(app: Flask) -> int:
    """Run a listener until SIGTERM or SIGINT; return the exit code."""
    listener = Listener(app)

    def stop(_number: int, _frame: FrameType | None) -> None:
        listener.request_stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    prepare_memory()
    log.info("listener started")
    try:
        listener.run()
    finally:
        listener.close()
        log.info("listener stopped")
    return 0
