"""A listener tells when a call is over, so that its end is sent at once."""

from datetime import timedelta

import pytest

from callevents.db.models import Delivery, Pbx
from callevents.enums import EventType
from callevents.extensions import db
from tests.conftest import Configure
from tests.ingest.calls import deliveries, once_per_call, values
from tests.processes.listener.conftest import Serve, connect
from tests.processes.listener.test_follower import Listen, find_call
from tests.support.waiting import wait_until


@pytest.mark.parametrize(
    ("kind", "number", "outcome"),
    [
        ("asterisk", "s21", ("abandoned", "support", "102")),
        ("asterisk", "s22", ("answered", "", "103")),
        ("freeswitch", "f22", ("answered", "", "103")),
    ],
)
def test_end_of_a_call(
    pbx: Pbx,
    configure: Configure,
    serve: Serve,
    listen: Listen,
    kind: str,
    number: str,
    outcome: tuple[str, str, str],
) -> None:
    """The end is due as soon as the last channel is gone, with what the PBX says of its queue."""
    once_per_call(configure, EventType.HANGUP)
    parts, _words = find_call(kind, number)
    server = serve(kind)
    connect(pbx, kind, server.port)
    listen()
    server.wait_for_listener()
    server.say(parts)
    wait_until(lambda: bool(find_due_ends()), "the end of the call")
    [end] = find_due_ends()
    found = values(end)
    assert (found["Outcome"], found["Queue"], found["Extension"]) == outcome


def find_due_ends() -> list[Delivery]:
    """Return the ends that do not wait for the listener any more."""
    db.session.rollback()
    return [one for one in deliveries() if one.due_at - one.created_at < timedelta(minutes=1)]
