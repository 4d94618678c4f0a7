"""Which event types there are, and what is sent for each."""

from pydantic import Field

from callevents import enums
from callevents.api.v1.call import Call
from callevents.api.v1.cursors import find_start, make_page
from callevents.api.v1.models import Answer, ListQuery, Page
from callevents.api.v1.operations import operation
from callevents.api.v1.problems import ProblemType
from callevents.delivery.request.placeholders import VOIPNOW_NAMES
from callevents.hooks.preview import EXAMPLE_EXTENSION, example_parameters
from callevents.validation import EventName

TAG = "Event types"
LIST_NAME = "event-types"
#: Values that are different for each call: so the example is always the same.
_FIXED = {
    "CallID": "example-01932c07-209f-7c3e-8f0e-0f6d1c5b8a11",
    "CallAPIID": "example-01932c07-209f-7c3e-8f0e-0f6d1c5b8a12",
    "EventID": "q3XbWn7TtC0vJ8mYzK5pLrD2sHfGa1",
    "EventTime": "2026-03-01T10:00:00.250Z",
    "StartTime": "2026-03-01T09:59:13.250Z",
    "AnswerTime": "2026-03-01T09:59:18.250Z",
    "EndTime": "2026-03-01T10:00:00.250Z",
    "DeliveryID": "01932c07-20a0-7c3e-8f0e-0f6d1c5b8a13",
}


class EventParameter(Answer):
    """A parameter of the requests that are sent for an event."""

    name: str
    is_voipnow: bool = Field(description="It is one of the ten that VoipNow sends.")


class EventType(Answer):
    """A kind of call event."""

    code: int = Field(description="The number that VoipNow uses.")
    name: EventName
    label: str = Field(description="The name on the pages.")
    parameters: list[EventParameter] = Field(
        description="What is sent, in this order, by a hook that sends all parameters."
    )
    example: dict[str, str] = Field(
        description="The values for an example call. One that is unknown is empty."
    )


def to_answer(event_type: enums.EventType) -> EventType:
    """Return the event type as the API shows it."""
    example = dict(
        example_parameters(event_type, pbx_slug="head-office", extension=EXAMPLE_EXTENSION)
    )
    return EventType(
        code=event_type.value,
        name=event_type.slug,
        label=event_type.label,
        parameters=[
            EventParameter(name=name, is_voipnow=name in VOIPNOW_NAMES) for name in example
        ],
        example=example | {name: value for name, value in _FIXED.items() if name in example},
    )


@operation(
    "GET",
    "/event-types",
    scope=None,
    summary="List event types",
    tag=TAG,
    query=ListQuery,
    answer=Page[EventType],
    answer_example={
        "data": [
            {
                "code": 2,
                "name": "hangup",
                "label": "Hangup",
                "parameters": [
                    {"name": "CallID", "is_voipnow": True},
                    {"name": "EventType", "is_voipnow": False},
                ],
                "example": {"CallID": _FIXED["CallID"], "EventType": "hangup"},
            }
        ],
        "next_cursor": None,
    },
    problems=frozenset({ProblemType.INVALID_CURSOR}),
)
def list_event_types(call: Call[ListQuery, None]) -> Page[EventType]:
    """List the event types by code, each with the parameters that are sent for it."""
    start = find_start(call.query, LIST_NAME)
    codes = sorted(str(one.value) for one in enums.EventType)
    rows = [code for code in codes if start is None or code > start]

    def describe(code: str) -> EventType:
        return to_answer(enums.EventType(int(code)))

    return make_page(call.query, LIST_NAME, rows, str, describe)
