"""The buffer of events that are not stored yet."""

import threading
from typing import Any

import pytest

from callevents.enums import EventType
from callevents.ingest.report import Report
from callevents.processes.listener.buffer import Buffer
from callevents.vendors.tracking.events import TrackedEvent
from tests.support.waiting import wait_until


def event(number: int) -> TrackedEvent:
    """Return an event with its number as extension."""
    return TrackedEvent(report=Report(event_type=EventType.HANGUP, extension=str(number)))


def test_peeked_events_stay_until_removed() -> None:
    """Events are kept until they are stored; a closed and empty buffer returns nothing."""
    buffer = Buffer(10)
    events = [event(number) for number in range(5)]
    buffer.put(events)
    buffer.put([])
    assert buffer.peek(3) == buffer.peek(3) == events[:3]
    buffer.remove(3)
    buffer.close()
    assert (buffer.peek(3), len(buffer)) == (events[3:], 2)
    buffer.remove(2)
    assert buffer.peek(3) == []


def test_a_full_buffer_blocks_the_reader() -> None:
    """Until there is room, or the limits are removed because the follower stops."""
    buffer = Buffer(2)
    put: list[int] = []

    def read() -> None:
        for number in range(4):
            buffer.put([event(number)])
            put.append(number)

    reader = threading.Thread(target=read)
    reader.start()
    wait_until(lambda: len(put) == 2, "a full buffer")
    assert [one.report.extension for one in buffer.peek(9)] == ["0", "1"]
    buffer.remove(1)
    wait_until(lambda: len(put) == 3, "room for one")
    buffer.remove_limits()
    reader.join()
    assert [one.report.extension for one in buffer.peek(9)] == ["1", "2", "3"]


def test_withheld_events_are_released_or_dropped() -> None:
    """The writer gets earlier events, and withheld ones only after their release."""
    buffer = Buffer(10)
    events = [event(number) for number in range(6)]
    buffer.put(events[:2])
    buffer.withhold()
    buffer.put(events[2:3])
    buffer.withhold()
    assert (buffer.peek(1), buffer.peek(9)) == (events[:1], events[:2])
    buffer.release()
    assert buffer.peek(9) == events[:3]
    buffer.remove(2)
    buffer.withhold()
    buffer.put(events[3:5])
    assert buffer.drop_withheld() == 2
    buffer.put(events[5:])
    assert buffer.peek(9) == events[2:3]


def test_the_writer_waits_for_withheld_events() -> None:
    """Also if the buffer is closed: they may still be released."""
    buffer = Buffer(10)
    buffer.withhold()
    buffer.put([event(1)])
    buffer.close()
    peeking = Peeking(buffer)
    wait_until(lambda: peeking.waits, "the writer to wait")
    assert peeking.found == []
    buffer.release()
    assert peeking.finish() == [event(1)]


@pytest.mark.parametrize("is_lost", [True, False])
def test_nothing_is_withheld_at_the_end(is_lost: bool) -> None:
    """Events read after the request to stop do not block the writer."""
    buffer = Buffer(10)
    buffer.withhold()
    buffer.put([event(1)])
    if is_lost:
        assert buffer.drop_withheld() == 1
        buffer.withhold()
    buffer.remove_limits()
    buffer.withhold()
    buffer.put([event(2)])
    buffer.close()
    assert Peeking(buffer).finish() == ([] if is_lost else [event(1), event(2)])


class Peeking:
    """A thread that peeks, and may block."""

    def __init__(self, buffer: Buffer) -> None:
        self.found: list[list[TrackedEvent]] = []
        self._buffer = buffer
        self._thread = threading.Thread(target=self._peek, daemon=True)
        self._thread.start()

    def _peek(self) -> None:
        self.found.append(self._buffer.peek(9))

    @property
    def waits(self) -> bool:
        """True while it blocks in `peek`."""
        condition: Any = self._buffer._changed
        return bool(condition._waiters)

    def finish(self) -> list[TrackedEvent]:
        """Return the events once `peek` has returned."""
        self._thread.join(10)
        assert not self._thread.is_alive()
        return self.found[0]
