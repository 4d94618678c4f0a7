"""What the API says of deliveries and their attempts."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, Field

from callevents.api.v1.call import Call
from callevents.api.v1.models import (
    Answer,
    Body,
    GivenMoment,
    ListQuery,
    Moment,
    optional,
)
from callevents.db import models as stored
from callevents.db.models import MAX_NUMBER_LENGTH, MAX_URL_LENGTH
from callevents.delivery.log.filters import phase_of
from callevents.delivery.log.resend import SkipReason
from callevents.delivery.log.wait_reason import WaitReason, find_wait_reasons
from callevents.delivery.request.masking import mask_address
from callevents.enums import ListedState, Method, Right
from callevents.ingest.events import list_events
from callevents.pbxs.shown_numbers import ShownNumbers
from callevents.validation import EventName

MAX_ID_LENGTH = 255


class DeliveryChoice(BaseModel):
    """Values that deliveries must have; all of those that are given."""

    pbx: str = optional("The short name of the PBX.")
    extension: str = optional("The extension's number.", max_length=MAX_NUMBER_LENGTH)
    event: EventName = optional("The event type.")
    hook: str = optional(
        "The Event ID of the hook, which may have been removed.", max_length=MAX_ID_LENGTH
    )
    state: ListedState = optional("`pending` is any of `waiting`, `retrying` and `sending`.")
    origin: str = optional(
        "A URL such as `https://crm.example.com`: deliveries to its scheme, host and port.",
        max_length=MAX_URL_LENGTH,
    )
    call_id: str = optional("The ID of the call, as its PBX reported it.", max_length=MAX_ID_LENGTH)
    since: GivenMoment = optional("Created at this moment or later.")
    until: GivenMoment = optional("Created before this moment.")


class DeliveryQuery(DeliveryChoice, ListQuery):
    """A page of the deliveries that have these values."""


class DeliverySelection(DeliveryChoice, Body):
    """The deliveries to change. At least one value besides `dry_run` and `cursor` is required."""

    dry_run: bool = Field(default=False, description="Change nothing; count what would be changed.")
    cursor: str = optional(
        "`next_cursor` of the answer before; leave it out the first time.", max_length=500
    )


class DeliveryWait(Answer):
    """Why a delivery waits. False and all null: it is due, and only waits for a worker."""

    is_behind: bool = Field(
        description="True if an earlier delivery of the same call is sent first."
    )
    behind: str | None = Field(description="The ID of that delivery; null if you may not see it.")
    held_because: str | None = Field(description="Why it is held.")
    receiver_paused_until: Moment | None = Field(
        description="When the receiver is tried again, after it failed for all."
    )
    next_attempt_at: Moment | None
    gives_up_at: Moment | None = Field(description="No attempt starts later.")


class Delivery(Answer):
    """One call event on its way to one hook."""

    id: str
    pbx: str = Field(description="The short name of the PBX.")
    call_event_id: str
    event: EventName
    extension: str
    call_id: str = Field(description="Empty if the PBX reported none.")
    hook: str = Field(description="The Event ID of the hook, which may have been removed.")
    method: Method
    url: str = Field(description="The URL of the hook. What looks secret is masked.")
    state: ListedState
    attempts: int = Field(description="The number of attempts made.")
    status_code: int | None = Field(description="Of the last attempt; null without a response.")
    error: str = Field(
        description="Why the last attempt or the delivery failed, or why it is skipped; else empty."
    )
    duration_ms: int | None = Field(description="Of the last attempt.")
    happened_at: Moment = Field(description="When the call event happened.")
    created_at: Moment
    resent_at: Moment | None = Field(description="When it was last sent again by a user.")
    attempted_at: Moment | None = Field(description="When the last attempt began.")
    finished_at: Moment | None
    wait: DeliveryWait | None = Field(description="Null unless it is pending or held.")


class AttemptSummary(Answer):
    """One HTTP request made for a delivery, without what was sent and received."""

    number: int = Field(description="Counts from 1 within the delivery.")
    started_at: Moment
    duration_ms: int
    method: Method
    url: str
    status_code: int | None = Field(description="Null without a response.")
    error: str = Field(description="Why it failed; empty if it did not.")


class HeaderField(Answer):
    """A header field of a request or a response."""

    name: str
    value: str


class SentRequest(Answer):
    """The request as it was sent. Secrets were masked when it was stored."""

    method: Method
    url: str
    headers: Sequence[HeaderField]
    body: str


class ReceivedResponse(Answer):
    """The response as it was received. Secrets were masked when it was stored."""

    status_code: int
    headers: Sequence[HeaderField]
    body: str
    is_truncated: bool = Field(description="True if the body was longer than what is stored.")


class Attempt(AttemptSummary):
    """One HTTP request made for a delivery, with what was sent and received."""

    request: SentRequest
    response: ReceivedResponse | None = Field(description="Null if there was none.")


class SkippedDeliveries(Answer):
    """Deliveries that match and were not changed, for one reason."""

    reason: str = Field(json_schema_extra={"enum": [one.name.lower() for one in SkipReason]})
    detail: str
    count: int


class DeliveryCounts(Answer):
    """What became of the deliveries that match."""

    dry_run: bool
    matched: int = Field(description="The number of deliveries that this request looked at.")
    changed: int = Field(description="How many of them were changed, or would be.")
    skipped: Sequence[SkippedDeliveries]
    next_cursor: str | None = Field(
        description="Send the same again with this `cursor` for those that are left; null: none."
    )


def to_deliveries(call: Call[Any, Any], rows: Sequence[stored.Delivery]) -> dict[str, Delivery]:
    """Return the deliveries as the caller may see them, by ID."""
    reasons = find_wait_reasons(rows, call.principal.scope_of(Right.SEE).of_deliveries())
    hidden = [row.call_event_id for row in rows if not call.shown_numbers(row.pbx).are_whole]
    # Loaded all at once, they are found in the session.
    _events = list_events(hidden)
    return {row.id: _to_delivery(row, reasons[row.id], call.shown_numbers(row.pbx)) for row in rows}


def _to_delivery(row: stored.Delivery, reason: WaitReason, numbers: ShownNumbers) -> Delivery:
    event = None if numbers.are_whole else row.call_event
    return Delivery(
        id=row.id,
        pbx=row.pbx.slug,
        call_event_id=row.call_event_id,
        event=row.event_type.slug,
        extension=numbers.of_extension(row.extension),
        call_id=numbers.in_text(row.call_id, event),
        hook=row.hook_event_id,
        method=row.method,
        url=mask_address(row.url),
        state=phase_of(row),
        attempts=row.attempts,
        status_code=row.status_code,
        error=numbers.in_text(row.error, event),
        duration_ms=row.duration_ms,
        happened_at=row.happened_at,
        created_at=row.created_at,
        resent_at=row.resent_at,
        attempted_at=row.attempted_at,
        finished_at=row.finished_at,
        wait=None if row.state.is_finished else _to_wait(reason),
    )


def _to_wait(reason: WaitReason) -> DeliveryWait:
    return DeliveryWait(
        is_behind=reason.is_behind,
        behind=reason.behind,
        held_because=reason.held or None,
        receiver_paused_until=reason.origin.probe_at if reason.origin else None,
        next_attempt_at=reason.next_attempt_at,
        gives_up_at=reason.gives_up_at,
    )


def to_attempt_summary(
    row: stored.Attempt, event: stored.CallEvent, numbers: ShownNumbers
) -> AttemptSummary:
    """Return the attempt without what was sent and received."""
    return AttemptSummary(**_summary_values(row, event, numbers))


def to_attempt(row: stored.Attempt, event: stored.CallEvent, numbers: ShownNumbers) -> Attempt:
    """Return the attempt."""

    def show(text: str) -> str:
        return numbers.in_text(text, event)

    values = _summary_values(row, event, numbers)
    request = SentRequest(
        method=row.method,
        url=values["url"],
        headers=[HeaderField(name=name, value=show(text)) for name, text in row.request_headers],
        body=show(row.request_body),
    )
    response = None
    if row.status_code is not None:
        headers = [HeaderField(name=name, value=show(text)) for name, text in row.response_headers]
        response = ReceivedResponse(
            status_code=row.status_code,
            headers=headers,
            body=show(row.response_body),
            is_truncated=row.response_truncated,
        )
    return Attempt(**values, request=request, response=response)


def _summary_values(
    row: stored.Attempt, event: stored.CallEvent, numbers: ShownNumbers
) -> dict[str, Any]:
    return {
        "number": row.number,
        "started_at": row.started_at,
        "duration_ms": row.duration_ms,
        "method": row.method,
        "url": numbers.in_text(row.url, event),
        "status_code": row.status_code,
        "error": numbers.in_text(row.error, event),
    }
