"""What the API says of call events and calls."""

from collections.abc import Sequence
from typing import Any

from pydantic import Field

from callevents.api.v1.call import Call as ApiCall
from callevents.api.v1.models import (
    Answer,
    Body,
    GivenMoment,
    ListQuery,
    Moment,
    optional,
)
from callevents.db import models as stored
from callevents.db.models import MAX_NUMBER_LENGTH
from callevents.enums import CallFlow, CallStatus
from callevents.operations import call_log, number_search
from callevents.pbxs.shown_numbers import ShownNumbers
from callevents.validation import EventName

MAX_CALL_ID_LENGTH = 255


class CallEventQuery(ListQuery):
    """A page of the call events that have these values."""

    pbx: str = optional("The short name of the PBX.")
    extension: str = optional("The extension's number.", max_length=MAX_NUMBER_LENGTH)
    event: EventName = optional("The event type.")
    call_id: str = optional(
        "The ID of the call, as its PBX reported it. Needs `pbx`.", max_length=MAX_CALL_ID_LENGTH
    )
    since: GivenMoment = optional("Reported at this moment or later.")
    until: GivenMoment = optional("Reported before this moment.")


class CallQuery(ListQuery):
    """A page of the calls that have these values."""

    pbx: str = optional("The short name of the PBX.")
    extension: str = optional(
        "The number of an extension that took part.", max_length=MAX_NUMBER_LENGTH
    )
    number: str = optional(
        "The number of a caller or of a called party, however it is written: `0612345678` finds "
        "`+31 6 12345678` too. Fewer than seven digits must be the whole number.",
        max_length=number_search.MAX_LENGTH,
    )
    since: GivenMoment = optional("The first event was reported at this moment or later.")
    until: GivenMoment = optional("The first event was reported before this moment.")


class NewCallEvent(Body):
    """An example event to send."""

    pbx: str = Field(description="The short name of the PBX.")
    extension: str = Field(description="The extension's number.")
    event: EventName


class CallEvent(Answer):
    """Something that happened to one extension in one call. Texts without a value are empty."""

    id: str
    pbx: str = Field(description="The short name of the PBX.")
    event: EventName
    extension: str
    call_id: str = Field(description="The ID of the call, as the PBX reported it.")
    leg_id: str
    peer: str = Field(description="The number of the other party.")
    caller_number: str
    caller_name: str
    caller_extension: str
    called_number: str
    called_extension: str
    called_did: str
    flow: CallFlow | None
    status: CallStatus | None
    cause: int | None = Field(description="Why it ended, as a number of Q.850.")
    duration_seconds: int | None = Field(description="How long the parties talked.")
    is_late: bool = Field(description="True if it was learned after a disconnect from the PBX.")
    queue: str = Field(description="The queue in which the caller waited.")
    started_at: Moment | None = Field(
        description="Of hangups: when the extension's part of the call began."
    )
    answered_at: Moment | None = Field(description="Of hangups: when the extension was answered.")
    answered_by: str = Field(description="Of hangups: who answered the call.")
    happened_at: Moment
    received_at: Moment = Field(description="When it was reported.")


class CallEventDetails(CallEvent):
    """A call event with its deliveries."""

    deliveries: Sequence[str] = Field(description="The IDs of its deliveries, at most 1,000.")
    no_delivery_reason: str = Field(
        description="Why there are no deliveries, as things are now. Empty if there are any."
    )


class Call(Answer):
    """What a PBX reported of one call."""

    id: str = Field(description="The ID of the call's first event.")
    pbx: str = Field(description="The short name of the PBX.")
    call_id: str = Field(description="The ID of the call, as the PBX reported it.")
    status: CallStatus | None = Field(
        description="How the call ended, or how far it is. Null if the PBX does not report it."
    )
    first_event_at: Moment
    last_event_at: Moment
    extensions: Sequence[str] = Field(description="The extensions that took part.")
    numbers: Sequence[str] = Field(description="The other numbers of callers and called parties.")
    events: Sequence[CallEvent] = Field(description="In the order in which they happened.")
    is_truncated: bool = Field(description="True if the call has more events than these.")


def to_event(row: stored.CallEvent, numbers: ShownNumbers) -> CallEvent:
    """Return the event as the caller may see it."""
    return CallEvent(**_event_values(row, numbers))


def to_event_details(
    row: stored.CallEvent, numbers: ShownNumbers, deliveries: Sequence[str], reason: str
) -> CallEventDetails:
    """Return the event as the caller may see it, with the IDs of its deliveries.

    `reason`: why there are none, or empty.
    """
    return CallEventDetails(
        **_event_values(row, numbers),
        deliveries=deliveries,
        no_delivery_reason=numbers.in_text(reason, row),
    )


def to_call(found: call_log.Call, call: ApiCall[Any, Any]) -> Call:
    """Return the call as the caller of the API may see it."""
    numbers = call.shown_numbers(found.first.pbx)
    return Call(
        id=found.first.id,
        pbx=found.first.pbx.slug,
        call_id=numbers.in_text(found.first.call_id, found.first),
        status=found.status,
        first_event_at=found.events[0].happened_at,
        last_event_at=found.events[-1].happened_at,
        extensions=[numbers.of_extension(number) for number in found.extensions],
        numbers=[numbers.in_text(number, found.first) for number in found.numbers],
        events=[to_event(event, numbers) for event in found.events],
        is_truncated=found.is_cut,
    )


def _event_values(row: stored.CallEvent, numbers: ShownNumbers) -> dict[str, Any]:
    facts = ("id", "flow", "status", "cause", "duration_seconds", "is_late", "queue")
    times = ("started_at", "answered_at", "happened_at", "received_at")
    extensions = ("extension", "caller_extension", "called_extension")
    parties = ("peer", "caller_number", "caller_name", "called_number", "called_did")
    return {
        **{name: getattr(row, name) for name in (*facts, *times)},
        **{
            name: numbers.in_text(getattr(row, name), row)
            for name in ("call_id", "leg_id", "answered_by", *parties)
        },
        **{name: numbers.of_extension(getattr(row, name)) for name in extensions},
        "pbx": row.pbx.slug,
        "event": row.event_type.slug,
    }
