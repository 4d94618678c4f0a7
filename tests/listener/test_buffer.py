"""The events that are not stored yet: in order, and bounded."""

import threading
from typing import Any

import pytest

from callevents.enums import EventType
from callevents.ingest.report import Report
from callevents.processes.listener.buffer import Buffer
from callevents.vendors.tracking.events import TrackedEvent
from tests.waiting import wait_until


def event(number: int) -> TrackedEvent:
    """Return an event that can be told from others."""
    return TrackedEvent(report=Report(event_type=EventType.HANGUP, extension=str(number)))


def test_what_is_looked_at_stays_until_it_is_taken_away() -> None:
    """So nothing is lost when storing it fails; closed and empty, there is nothing more."""
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


def test_a_full_buffer_holds_up_who_reads() -> None:
    """Until there is room, or until all ends and what was read has to be kept."""
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


def test_what_is_held_back_is_given_out_or_forgotten() -> None:
    """Whoever stores gets what was added before, and the rest only when it is known to be ours."""
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


def test_who_stores_waits_for_what_is_held_back() -> None:
    """Closed or not: it may still be given out."""
    buffer = Buffer(10)
    buffer.withhold()
    buffer.put([event(1)])
    buffer.close()
    looking = Looking(buffer)
    wait_until(lambda: looking.waits, "the storer to wait")
    assert looking.found == []
    buffer.release()
    assert looking.finish() == [event(1)]


@pytest.mark.parametrize("is_lost", [True, False])
def test_nothing_is_held_back_at_the_end(is_lost: bool) -> None:
    """Who reads on for a moment after it was told to end keeps nobody from storing and ending."""
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
    assert Looking(buffer).finish() == ([] if is_lost else [event(1), event(2)])


class Looking:
    """Somebody who looks for events, and may have to wait."""

    def __init__(self, buffer: Buffer) -> None:
        self.found: list[list[TrackedEvent]] = []
        self._buffer = buffer
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        self.found.append(self._buffer.peek(9))

    @property
    def waits(self) -> bool:
        """Whether it waits within `look`."""
        condition: Any = self._buffer._changed
        return bool(condition._waiters)

    def finish(self) -> list[TrackedEvent]:
        """Return what was found, once it was."""
        self._thread.join(10)
        assert not self._thread.is_alive()
        return self.found[0]
