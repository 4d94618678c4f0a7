"""All parameters in JSON, VoipNow's ten as a form, and the line of a call log."""

from typing import ClassVar, Literal

from pydantic import ConfigDict

from callevents.delivery.request.placeholders import VOIPNOW_NAMES
from tests.recipes.shapes.base import FORM, IsoMoment, Shape, Text


class Parameters(Shape):
    """All parameters as texts. Hangups have more than other events."""

    model_config = ConfigDict(extra="allow", strict=True)
    __pydantic_extra__: dict[str, str]

    CallID: Text
    EventType: Literal["dial-in", "dial-out", "answer-in", "answer-out", "hangup"]
    Extension: Text
    EventTime: IsoMoment
    DeliveryID: Text


class VoipNow(Shape):
    """VoipNow's ten parameters."""

    content_type: ClassVar[str] = FORM
    CallID: Text
    CallAPIID: str
    CallerIDNum: str
    CallerIDName: str
    CallerExtension: str
    CalledExtension: str
    CalledNumber: str
    CalledDID: str
    CallFlow: Literal["IN", "OUT", ""]
    CallStatus: Literal[
        "CALLING", "ANSWER", "BUSY", "NOANSWER", "CANCEL", "CONGESTION", "CHANUNAVAIL", ""
    ]


assert tuple(VoipNow.model_fields) == VOIPNOW_NAMES


class CallLogLine(Shape):
    """A line of the call log."""

    call_id: Text
    pbx: Text
    direction: Literal["in", "out", "internal", ""]
    outcome: Literal["answered", "missed", "abandoned", "unanswered", "busy", "failed", ""]
    start: IsoMoment
    answer: IsoMoment | None
    end: IsoMoment
    ring_seconds: int | None
    talk_seconds: int
    caller: str
    caller_name: str
    called: str
    did: str
    extension: Text
    answered_by: str
    queue: str
    status: str
    cause: int | None
    delivery_id: Text


PARAMETERS = {"*": Parameters}
VOIPNOW = {"*": VoipNow}
CALL_LOG = {"call": CallLogLine}
