"""Runs a module with a clock that is wrong: `python clock.py SECONDS MODULE ARGUMENTS ...`.

Only the time of day is shifted, as on a machine whose clock is wrong. Durations are right.
"""

import runpy
import sys
import time
from datetime import UTC, datetime, timedelta

import time_machine


def shift_clock(seconds: float) -> None:
    """Shift the time of day of this process by so many seconds, which may be negative."""
    now, began = datetime.now(UTC), time.monotonic()
    clock = time_machine.travel(now, tick=True).start()
    # To start took a while, by which the clock is behind.
    right = now + timedelta(seconds=time.monotonic() - began)
    clock.shift(right - datetime.now(UTC) + timedelta(seconds=seconds))


if __name__ == "__main__":
    shift_clock(float(sys.argv[1]))
    del sys.argv[:2]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
