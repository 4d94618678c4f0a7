"""Refused access tokens are discarded before the outcomes are recorded."""

from datetime import timedelta

import pytest
from sqlalchemy import event

from callevents.config.settings import Settings
from callevents.db.models import Receiver, utc_now
from callevents.db.session import begin_write
from callevents.delivery.http.client import Response
from callevents.delivery.in_flight import InFlight
from callevents.delivery.outcomes import Outcome
from callevents.delivery.recorder import Recorder
from callevents.extensions import cipher, db
from tests.conftest import Configure
from tests.delivery.conftest import ReportEvents, get_delivery
from tests.delivery.oauth.conftest import token_of, use
from tests.support import claims as claiming


@pytest.fixture
def transactions() -> list[list[str]]:
    """The statements of each transaction that is committed from now on."""
    found: list[list[str]] = []
    running: dict[int, list[str]] = {}

    def note(connection: object, _cursor: object, statement: str, *_more: object) -> None:
        running.setdefault(id(connection), []).append(statement)

    def end(connection: object) -> None:
        found.append(running.pop(id(connection), []))

    event.listen(db.engine, "before_cursor_execute", note)
    event.listen(db.engine, "commit", end)
    return found


def test_deliveries_and_receivers_are_not_locked_together(
    settings: Settings,
    crm: Receiver,
    configure: Configure,
    report_events: ReportEvents,
    transactions: list[list[str]],
) -> None:
    """A change of a receiver locks it before its deliveries, so a recorder must not do both."""
    use(crm, configure)
    begin_write()
    crm.access_token = cipher.encrypt("token-0")
    crm.access_token_expires_at = utc_now() + timedelta(hours=1)
    db.session.commit()
    [delivery_id] = report_events()
    [claim] = claiming.load(claiming.claim())
    transactions.clear()
    recorder = Recorder(db.engine, settings, InFlight(), lambda _fences, _lease: None)
    recorder.enqueue(Outcome(claim, Response(utc_now(), 1, "Refused.", 401)))
    recorder.close()
    recorder.run()
    delivery = get_delivery(delivery_id)
    assert (token_of(crm), delivery.attempts, delivery.attempts_before) == ("", 1, 1)
    updated = [
        {text.split()[1] for text in one if text.startswith("UPDATE")} for one in transactions
    ]
    assert [one & {"receiver", "delivery"} for one in updated[:2]] == [{"receiver"}, {"delivery"}]
