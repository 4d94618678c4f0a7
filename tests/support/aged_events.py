"""Call events of any age, with their deliveries and attempts, as they would stand in the log."""

from datetime import datetime, timedelta

from callevents.db.models import Attempt, CallEvent, Delivery, Hook, Pbx, first_id, new_id, utc_now
from callevents.db.session import begin_write
from callevents.enums import DeliveryState, EventType
from callevents.extensions import db


def id_at(moment: datetime) -> str:
    """Return an id such as one that was made then."""
    return first_id(moment)[:14] + new_id()[14:]


class AddEvents:
    """Adds events with a delivery each."""

    def __init__(self, pbx: Pbx, hook: Hook) -> None:
        self._pbx = pbx
        self.hook = hook

    def __call__(
        self,
        count: int = 1,
        *,
        age: timedelta = timedelta(),
        state: DeliveryState = DeliveryState.DELIVERED,
        attempts: int = 1,
        took: timedelta = timedelta(milliseconds=40),
    ) -> list[str]:
        """Add so many events of that age, delivered after `took`; return their ids."""
        then = utc_now() - age
        begin_write()
        ids = []
        for _ in range(count):
            event = self._event(then)
            delivery = self._delivery(event, state, attempts, took)
            ids.append(event.id)
            for row in (event, delivery):
                db.session.add(row)
                db.session.flush()
            db.session.add_all(_attempt(delivery, number) for number in range(1, attempts + 1))
        db.session.commit()
        return ids

    def _event(self, then: datetime) -> CallEvent:
        return CallEvent(
            id=id_at(then),
            pbx_id=self._pbx.id,
            key=new_id(),
            event_type=EventType.DIAL_IN,
            extension="101",
            call_id="c1",
            happened_at=then,
            received_at=then,
        )

    def _delivery(
        self, event: CallEvent, state: DeliveryState, attempts: int, took: timedelta
    ) -> Delivery:
        then = event.received_at
        return Delivery(
            id=id_at(then),
            pbx_id=event.pbx_id,
            call_event_id=event.id,
            event_type=event.event_type,
            extension=event.extension,
            call_id=event.call_id,
            happened_at=then,
            hook_id=self.hook.id,
            hook_event_id=self.hook.event_id,
            method=self.hook.method,
            url=self.hook.url,
            origin_id=self.hook.origin_id,
            state=state,
            attempts=attempts,
            due_at=then,
            expires_at=then + timedelta(days=1),
            created_at=then,
            finished_at=None if state is DeliveryState.PENDING else then + took,
        )


def _attempt(delivery: Delivery, number: int) -> Attempt:
    return Attempt(
        delivery_id=delivery.id,
        number=number,
        started_at=delivery.created_at,
        duration_ms=40,
        status_code=200,
        method=delivery.method,
        url=delivery.url,
        request_headers=[],
        response_headers=[],
    )
