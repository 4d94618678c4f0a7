"""What the parameters of a request mean, for the descriptions that programs read."""

from collections.abc import Mapping

#: In the order in which they are sent.
DESCRIPTIONS: Mapping[str, str] = {
    "CallID": "ID of the call.",
    "CallAPIID": "ID of the extension's leg, usable with the PBX's own call API.",
    "CallerIDNum": "Number of the caller.",
    "CallerIDName": "Name of the caller.",
    "CallerExtension": "The extension that placed the call, if an extension placed it.",
    "CalledExtension": "The extension that received the call, if an extension received it.",
    "CalledNumber": "The number that was dialled.",
    "CalledDID": "The public number of the called extension, if known.",
    "CallFlow": "`IN`: received by the extension; `OUT`: made by it; empty for a hangup whose "
    "direction is unknown.",
    "CallStatus": "`CALLING` for dial-in and dial-out, `ANSWER` for the answer events; for hangup "
    "`ANSWER`, `BUSY`, `NOANSWER`, `CANCEL`, `CONGESTION` or `CHANUNAVAIL`; empty if a report has "
    "neither cause nor status.",
    "EventType": "The event type.",
    "EventID": "The Event ID: the ID of the configured request.",
    "Extension": "The extension that the event happened to.",
    "EventTime": "When it happened, in UTC with milliseconds.",
    "Duration": "Whole seconds from answer to hangup; hangup only.",
    "HangupCause": "Q.850 cause; hangup only.",
    "DeliveryID": "ID of this delivery: the same in each attempt. Drop those that you have seen.",
    "PBX": "Short name of the PBX.",
    "Late": "`1` if the event happened while the connector was disconnected, else empty.",
    "StartTime": "When the call began to ring or was dialled; hangup only, like all that follow.",
    "AnswerTime": "When it was answered; empty if it was not.",
    "EndTime": "When it ended.",
    "RingSeconds": "Whole seconds from start to answer, or to the end if nobody answered.",
    "TalkSeconds": "Whole seconds from answer to end; `0` if nobody answered.",
    "RemoteNumber": "Number of the other party.",
    "Direction": "`in`, `out`, or `internal` if both parties are extensions.",
    "AnsweredBy": "The number that answered, if known.",
    "Queue": "The queue in which the caller waited.",
    "Outcome": "`answered`; `missed`: incoming, and nobody answered; `abandoned`: the caller left "
    "the queue; `unanswered`, `busy` or `failed`: outgoing.",
}
