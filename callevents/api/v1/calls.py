"""Calls: list and read what PBXs reported under one call ID."""

from callevents.api.v1.call import Call as ApiCall
from callevents.api.v1.chosen_pbxs import choose_pbx
from callevents.api.v1.cursors import find_start, make_cursor
from callevents.api.v1.event_choice import VisibleEvents, find_hiding, see_event
from callevents.api.v1.events import TAG
from callevents.api.v1.events_examples import CALL
from callevents.api.v1.events_models import Call, CallQuery, to_call
from callevents.api.v1.models import NoQuery, Page
from callevents.api.v1.operations import operation
from callevents.api.v1.problems import ApiError, FieldError, ProblemType, not_found
from callevents.api.v1.reading import DETAIL, invalid
from callevents.api_access.scopes import ApiScope
from callevents.db.models import Pbx
from callevents.errors import InvalidError
from callevents.operations.call_log import CallFilter, find_call, find_calls, see_all
from callevents.operations.event_log import Position
from callevents.operations.number_search import Number

LIST = "calls"


@operation(
    "GET",
    "/calls",
    scope=ApiScope.CALLS_READ,
    summary="List calls",
    tag=TAG,
    query=CallQuery,
    answer=Page[Call],
    answer_example={"data": [CALL], "next_cursor": None},
    problems=frozenset({ProblemType.INVALID_CURSOR}),
)
def list_calls(call: ApiCall[CallQuery, None]) -> Page[Call]:
    """Return the calls that have all values of the filter: the one that began last comes first.

    A call is what a PBX reported under one call ID, until it uses that ID again a day later. Events
    without a call ID belong to no call. Of a call, at most its first 100 events are searched and
    returned.

    At most 5,000 events are searched for a page. So a page may have fewer calls than `limit`, or
    none, and still a `next_cursor`: go on until it is null.

    A PBX that shows whole phone numbers only to its admins is not searched for a `number` by
    others.
    """
    query = call.query
    pbx = choose_pbx(call, query.pbx, "?pbx")
    visible = VisibleEvents.of(call, pbx)
    number = _read_number(query.number) if query.number else None
    if number is not None:
        _check_numbers(call, pbx)
        visible = visible.leaving_out(find_hiding(call))
    wanted = CallFilter(
        events=visible.filter(since=query.since, until=query.until),
        extension=query.extension or "",
        number=number,
        is_visible=visible.condition or see_all,
    )
    start = find_start(query, LIST)
    after = Position.parse(start) if start else None
    page = find_calls(wanted, limit=query.limit, after=after)
    return Page(
        data=[to_call(found, call) for found in page.found],
        next_cursor=make_cursor(query, LIST, str(page.after)) if page.after else None,
    )


@operation(
    "GET",
    "/calls/{call_event_id}",
    scope=ApiScope.CALLS_READ,
    summary="Get a call",
    tag=TAG,
    answer=Call,
    has_etag=True,
    answer_example=CALL,
)
def get_call(call: ApiCall[NoQuery, None], call_event_id: str) -> Call:
    """Return the call that an event belongs to. The ID of a call is that of its first event."""
    event = see_event(call, call_event_id, "call")
    condition = VisibleEvents.of(call, event.pbx).condition
    found = find_call(event, condition or see_all)
    if found is None:
        raise not_found("call")
    return to_call(found, call)


def _read_number(text: str) -> Number:
    try:
        return Number.of(text)
    except InvalidError as error:
        found = [FieldError("?number", sentence) for sentence in error.errors["number"]]
        raise invalid(DETAIL, found) from None


def _check_numbers(call: ApiCall[CallQuery, None], pbx: Pbx | None) -> None:
    """Raise ApiError if the PBX hides phone numbers: searching would reveal them."""
    if pbx is not None and not call.shown_numbers(pbx).are_whole:
        detail = "Only an admin may search this PBX for phone numbers."
        raise ApiError(ProblemType.FORBIDDEN, detail)
