"""Why events led to no request: each reason, in few statements."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import select, update

from callevents.db.models import CallEvent, Delivery, Hook, Pbx, utc_now
from callevents.db.session import begin_write
from callevents.delivery.suspend import suspend
from callevents.enums import DeliveryState, EventType
from callevents.extensions import db
from callevents.hooks import hooks
from callevents.ingest.no_request import Reason, explain
from callevents.ingest.recent import list_recent_reports
from callevents.ingest.report import Report
from callevents.pbxs.extensions import get_extension_by_number
from callevents.users.rights import Scope
from tests.conftest import Configure
from tests.ingest.calls import deliveries, once_per_call, store
from tests.support.statement_count import counting

DIAL_IN, HANGUP = EventType.DIAL_IN, EventType.HANGUP
URL = "http://crm.example.com/"


def report(pbx: Pbx, number: str, event: EventType = DIAL_IN, call_id: str = "c1") -> str:
    """Store an event; return its ID."""
    return store(pbx, Report(event_type=event, extension=number, call_id=call_id))[0].id


def why(pbx: Pbx, *event_ids: str, scope: Scope | None = None) -> Sequence[Reason]:
    """Return the reasons of these events."""
    db.session.rollback()
    events = db.session.scalars(
        select(CallEvent).where(CallEvent.id.in_(event_ids)).order_by(CallEvent.id)
    ).all()
    found = explain(pbx, events, *filter(None, [scope]))
    return [reason for event in events for reason in found[event.id]]


def texts(pbx: Pbx, *event_ids: str, scope: Scope | None = None) -> list[str]:
    """Return the texts of the reasons of these events."""
    return [reason.text for reason in why(pbx, *event_ids, scope=scope)]


def set_active(hook: Hook, active: bool) -> None:
    """Enable or disable the hook."""
    begin_write()
    hooks.set_active(hook, active)
    db.session.commit()


def test_unknown_extension_or_none_for_the_event(pbx: Pbx, configure: Configure) -> None:
    """The two are told apart, and what applies to all extensions is named too."""
    configure.extension("630")
    configure.hook("630", HANGUP, URL)
    assert texts(pbx, report(pbx, "999"), report(pbx, "630")) == [
        "999 is not an extension, and no request for Dial-In applies to all extensions",
        "630 has no request for Dial-In, and none applies to all extensions",
    ]
    configure.hook("*", DIAL_IN, URL, active=False)
    [unknown, of_all] = texts(pbx, report(pbx, "999", call_id="c2"))
    assert unknown == "999 is not an extension"
    assert of_all == "The request for Dial-In of all extensions is disabled"


def test_disabled(pbx: Pbx, configure: Configure) -> None:
    """It says since when, if the history knows, else 'now' if it was changed after the event."""
    configure.extension("600")
    hook = configure.hook("600", DIAL_IN, URL)
    set_active(hook, False)
    event = report(pbx, "600")
    [reason] = why(pbx, event)
    assert reason.text == "The request for Dial-In of 600 has been disabled"
    assert reason.since is not None
    assert abs(reason.since - utc_now()) < timedelta(minutes=1)
    assert str(reason).endswith(" UTC.")
    for later, text in ((timedelta(hours=1), "is disabled now"), (-timedelta(1), "is disabled")):
        begin_write()
        # As by a change of many at once, which is one entry for all.
        db.session.execute(update(Hook).values(modified_at=utc_now() + later))
        db.session.commit()
        assert str(*why(pbx, event)) == f"The request for Dial-In of 600 {text}."
    configure.hook("600", DIAL_IN, URL, active=False)
    begin_write()
    db.session.execute(update(Hook).values(modified_at=utc_now() - timedelta(1)))
    db.session.commit()
    assert texts(pbx, report(pbx, "600", call_id="c2")) == [
        "2 requests for Dial-In of 600 are disabled"
    ]


def test_changed_after_the_event(pbx: Pbx, configure: Configure) -> None:
    """A request that was added or enabled after the event is told from one that is missing."""
    configure.extension("101")
    first = report(pbx, "101")
    hook = configure.hook("101", DIAL_IN, URL, active=False)
    second = report(pbx, "101", call_id="c2")
    set_active(hook, True)
    request = "The request for Dial-In of 101"
    assert texts(pbx, first, second) == [
        f"{request} was added after this event",
        f"{request} applies now, but did not when this event was reported",
    ]


def test_once_per_call(pbx: Pbx, configure: Configure) -> None:
    """It names the extension that it was sent for, with the delivery; ends are sent at the end."""
    configure.extension("101")
    configure.extension("102")
    once_per_call(configure, DIAL_IN)
    once_per_call(configure, HANGUP)
    report(pbx, "101", call_id="c2")
    report(pbx, "101")
    second, early = report(pbx, "102"), report(pbx, "102", HANGUP)
    [sent, end] = why(pbx, second, early)
    [_, of_101] = deliveries()
    assert (sent.text, sent.delivery_id) == ("Sent once for the call, for 101", of_101.id)
    assert str(end) == "Sent once, when the whole call is over."
    report(pbx, "101", HANGUP)
    [end] = why(pbx, early)
    assert (end.text, end.delivery_id) == (
        "Sent once for the call, for 101",
        deliveries(HANGUP)[0].id,
    )
    for state, error, text in (
        (DeliveryState.SKIPPED, "Skipped: x.", "skipped"),
        (
            DeliveryState.FAILED,
            "The request was suspended when this call event arrived.",
            "suspended",
        ),
    ):
        begin_write()
        db.session.execute(update(Delivery).values(state=state, error=error))
        db.session.commit()
        assert "Decided once for the call, for 101: " in (found := texts(pbx, second)[0])
        assert found.endswith(text)


def test_each_reason_once(pbx: Pbx, configure: Configure) -> None:
    """Two requests for the end of a call have one reason."""
    configure.extension("101")
    for path in ("a", "b"):
        once_per_call(configure, HANGUP, url=f"{URL}{path}")
    report(pbx, "102")
    report(pbx, "101")
    assert texts(pbx, report(pbx, "101", HANGUP)) == ["Sent once, when the whole call is over"]


def test_once_together(pbx: Pbx, configure: Configure) -> None:
    """Requests of several extensions that are sent once together have one delivery.

    Who may see only one of the extensions learns neither the other's number nor its delivery.
    """
    configure.extension("101")
    configure.extension("102")
    first, _ = (once_per_call(configure, DIAL_IN, number) for number in ("101", "102"))
    begin_write()
    db.session.execute(update(Hook).values(once_id=first.id))
    db.session.commit()
    report(pbx, "102")
    event = report(pbx, "101")
    [reason] = why(pbx, event)
    assert (reason.text, reason.delivery_id) == (
        "Sent once for the call, for 102",
        deliveries()[0].id,
    )
    own = get_extension_by_number(pbx, "101")
    assert own is not None
    scope = Scope(extension_ids=frozenset([own.id]), partial_pbx_ids=frozenset([pbx.id]))
    [reason] = why(pbx, event, scope=scope)
    assert str(reason) == "Sent once for the call, for another extension."
    assert reason.delivery_id == ""
    begin_write()
    hooks.clear_hooks([first])
    db.session.commit()
    assert texts(pbx, event, scope=scope) == ["101 has no request for Dial-In of its own"]


def test_suspended(pbx: Pbx, configure: Configure) -> None:
    """An event whose request was suspended counts as one without a request, with the reason."""
    configure.extension("101")
    hook = configure.hook("101", DIAL_IN, URL)
    begin_write()
    suspend(db.session.connection(), hook.id, "It answered 410 Gone.", utc_now())
    db.session.commit()
    report(pbx, "101")
    [found] = list_recent_reports(pbx)
    assert (found.requests, found.suspended) == (0, 1)
    assert [str(one) for one in found.why] == [
        "The request was suspended when this call event arrived."
    ]
    configure.hook("*", DIAL_IN, URL)
    report(pbx, "101", call_id="c2")
    found = list_recent_reports(pbx)[0]
    assert (found.requests, found.suspended, list(found.why)) == (1, 1, [])


def test_statements_do_not_grow_with_the_page(pbx: Pbx, configure: Configure) -> None:
    """Events of many extensions take as many statements as those of one."""
    once_per_call(configure, HANGUP)
    configure.hook("*", DIAL_IN, URL, active=False)
    counts = []
    for numbers in (range(100, 101), range(200, 215)):
        for number in numbers:
            configure.extension(str(number))
            report(pbx, str(number), call_id=f"c{number}")
            report(pbx, str(number), DIAL_IN, call_id=f"c{number}")
        db.session.rollback()
        statements: list[str] = []
        with counting(statements):
            found = list_recent_reports(pbx)
        assert all(one.why for one in found)
        counts.append(len(statements))
    assert counts[0] == counts[1]
    assert counts[0] <= 7
