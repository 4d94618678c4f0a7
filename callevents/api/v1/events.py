"""Call events: list and read them, and send an example."""

from callevents.api.v1.call import Call
from callevents.api.v1.chosen_pbxs import choose_pbx
from callevents.api.v1.cursors import find_start, make_cursor
from callevents.api.v1.event_choice import VisibleEvents, see_event
from callevents.api.v1.events_examples import EVENT, EVENT_DETAILS, NEW_EVENT
from callevents.api.v1.events_models import (
    CallEvent,
    CallEventDetails,
    CallEventQuery,
    NewCallEvent,
    to_event,
    to_event_details,
)
from callevents.api.v1.models import NoQuery, Page
from callevents.api.v1.operations import Created, operation
from callevents.api.v1.pbx_lookup import find_named_pbx
from callevents.api.v1.problems import ApiError, ProblemType
from callevents.api.v1.reading import invalid_value
from callevents.api_access.scopes import ApiScope
from callevents.db.models import Pbx
from callevents.delivery.log.queries import list_ids_of_event
from callevents.enums import EventType, Right
from callevents.errors import InvalidError, NotFoundError
from callevents.ingest.example import send_example
from callevents.ingest.no_request import explain
from callevents.jobs.waker import wake
from callevents.operations.event_log import Position, find_events
from callevents.pbxs.extensions import check_number, get_extension_by_number

TAG = "Calls and call events"
LIST = "events"


@operation(
    "GET",
    "/events",
    scope=ApiScope.CALLS_READ,
    summary="List call events",
    tag=TAG,
    query=CallEventQuery,
    answer=Page[CallEvent],
    answer_example={"data": [EVENT], "next_cursor": None},
    problems=frozenset({ProblemType.INVALID_CURSOR}),
)
def list_events(call: Call[CallEventQuery, None]) -> Page[CallEvent]:
    """Return the call events that have all values of the filter, newest first.

    At most 10,000 events are searched for a page if no index has the values. So a page may have
    fewer events than `limit`, or none, and still a `next_cursor`: go on until it is null.
    """
    query = call.query
    pbx = choose_pbx(call, query.pbx, "?pbx")
    if query.call_id and pbx is None:
        raise invalid_value("?call_id", "Pass `pbx` too: the call is one of a PBX.")
    wanted = VisibleEvents.of(call, pbx).filter(
        extension=query.extension or "",
        event_type=EventType.from_slug(query.event) if query.event else None,
        call_id=query.call_id or "",
        since=query.since,
        until=query.until,
    )
    start = find_start(query, LIST)
    after = Position.parse(start) if start else None
    page = find_events(wanted, limit=query.limit, after=after)
    return Page(
        data=[to_event(event, call.shown_numbers(event.pbx)) for event in page.found],
        next_cursor=make_cursor(query, LIST, str(page.after)) if page.after else None,
    )


@operation(
    "GET",
    "/events/{call_event_id}",
    scope=ApiScope.CALLS_READ,
    summary="Get a call event",
    tag=TAG,
    answer=CallEventDetails,
    has_etag=True,
    answer_example=EVENT_DETAILS,
)
def get_event(call: Call[NoQuery, None], call_event_id: str) -> CallEventDetails:
    """Return one call event, with the IDs of its deliveries."""
    return _show(call, call_event_id)


@operation(
    "POST",
    "/events",
    scope=ApiScope.CALLS_WRITE,
    summary="Send an example event",
    tag=TAG,
    status=201,
    body=NewCallEvent,
    answer=CallEventDetails,
    has_etag=True,
    body_example=NEW_EVENT,
    answer_example=EVENT_DETAILS,
    problems=frozenset({ProblemType.NOT_FOUND}),
)
def send_event(call: Call[NoQuery, NewCallEvent]) -> Created:
    """Store an example event, as if the PBX had reported it, and send the requests for it.

    Each is a call of its own, with numbers that belong to nobody.
    """
    pbx = find_named_pbx(call, call.body.pbx, "#/pbx")
    number = _choose_extension(call, pbx)
    accepted = send_example(pbx, EventType.from_slug(call.body.event), number)
    call.after_commit(wake)
    return Created(_show(call, accepted.id), f"/events/{accepted.id}")


def _show(
    call: Call[NoQuery, None] | Call[NoQuery, NewCallEvent], event_id: str
) -> CallEventDetails:
    event = see_event(call, event_id, "call event")
    scope = call.principal.scope_of(Right.SEE)
    ids = list_ids_of_event(event.id, scope.of_deliveries())
    why = () if ids else explain(event.pbx, [event], scope)[event.id]
    reason = " ".join(str(one) for one in why)
    return to_event_details(event, call.shown_numbers(event.pbx), ids, reason)


def _choose_extension(call: Call[NoQuery, NewCallEvent], pbx: Pbx) -> str:
    """Return the number for which the caller may send an event; raises ApiError."""
    try:
        number = check_number(call.body.extension)
    except InvalidError as error:
        raise InvalidError({"extension": error.errors["number"]}) from None
    may = call.principal.may
    if may(Right.EDIT, pbx.id):
        return number
    if not call.principal.scope_of(Right.EDIT).touches(pbx.id):
        raise ApiError(ProblemType.FORBIDDEN, "This needs another role for the PBX.")
    try:
        extension = get_extension_by_number(pbx, number)
    except NotFoundError:
        extension = None
    if extension is None or not may(Right.EDIT, pbx.id, extension.id):
        sentence = "Must be an extension of the token's owner."
        raise invalid_value("#/extension", sentence)
    return number
