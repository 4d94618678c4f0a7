"""What receivers get from hooks that are sent once per call."""

import pytest

from callevents.config.settings import Settings
from callevents.db.models import Pbx
from callevents.delivery.engine import Engine
from callevents.enums import EventType
from callevents.ingest.report import Report
from tests.conftest import Configure
from tests.ingest.calls import once_per_call, store
from tests.support.receiver import Receiver

DIAL_IN, ANSWER_IN, HANGUP = EventType.DIAL_IN, EventType.ANSWER_IN, EventType.HANGUP


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Calls are silent for a moment only before their end is sent."""
    return settings.model_copy(update={"call_end_seconds": 0.3})


def test_ring_group(pbx: Pbx, configure: Configure, receiver: Receiver, engine: Engine) -> None:
    """One dial-in, one answer and then one end arrive, while three phones ring."""
    for event in (HANGUP, ANSWER_IN, DIAL_IN):
        once_per_call(configure, event, url=receiver.url)
    configure.hook("*", HANGUP, f"{receiver.url}/each")
    engine.start()
    for event in (DIAL_IN, ANSWER_IN, HANGUP):
        for phone in ("102",) if event is ANSWER_IN else ("101", "102", "103"):
            store(pbx, Report(event_type=event, extension=phone, call_id="c1", queue="support"))
            engine.wake()
    arrived = receiver.wait_for(6)
    # Nothing waits behind the end, which is made with the last of three hangups.
    assert [one.path for one in arrived] == ["/", "/", "/each", "/each", "/each", "/"]
    once = [one.parameters for one in arrived if one.path == "/"]
    assert [one["EventType"] for one in once] == ["dial-in", "answer-in", "hangup"]
    assert [one["Extension"] for one in once] == ["101", "102", "102"]
    assert (once[-1]["Outcome"], once[-1]["AnsweredBy"], once[-1]["Queue"]) == (
        *("answered", "102", "support"),
    )
