"""Interfaces for telephone systems, which get each step of a call.

Zammad: docs.zammad.org, api/generic-cti/{newcall,answer,hangup}-event.rst.
Bitrix24: bitrix24/b24restdocs, api-reference/telephony/telephony-external-call-*.md.
Vtiger: modules/PBXManager/{controllers,connectors}/PBXManager.php.
Zoho: zoho.com/phonebridge/developer/v3; `ended`, and outgoing calls, from public integrations.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from tests.recipes.shapes.base import E164, FORM, Digits, IsoMoment, Moment, Shape, Text

Direction = Literal["in", "out"]


class _Cti(Shape):
    path: ClassVar[str] = "/api/v1/cti/[^/]+"
    from_number: Text = Field(alias="from")
    to: Text
    direction: Direction
    call_id: Text = Field(alias="callId")


class NewCall(_Cti):
    """A call that begins to ring."""

    event: Literal["newCall"]
    user: str | list[str] | None = None
    queue: str | None = None


class Answer(_Cti):
    """A call that is answered."""

    event: Literal["answer"]
    answeringNumber: Text | None = None  # noqa: N815  # as Zammad spells it
    user: str | list[str] | None = None


class Hangup(_Cti):
    """A call that ends."""

    event: Literal["hangup"]
    cause: Literal[
        "normalClearing", "busy", "cancel", "noAnswer", "congestion", "notFound", "forwarded"
    ]
    answeringNumber: Text | None = None  # noqa: N815  # as Zammad spells it


ZAMMAD = {
    "incoming-call": NewCall,
    "outgoing-call": NewCall,
    "incoming-answer": Answer,
    "outgoing-answer": Answer,
    "end": Hangup,
}


class Register(Shape):
    """`telephony.externalCall.register`."""

    path: ClassVar[str] = r"/rest/\d+/\w+/telephony\.externalcall\.register\.json"
    USER_PHONE_INNER: Text
    USER_ID: int | None
    PHONE_NUMBER: Annotated[str, StringConstraints(pattern=r"^\+?[0-9]{3,}$")]
    CALL_START_DATE: IsoMoment
    TYPE: Literal[1, 2, 3, 4, 5]
    CRM_CREATE: Literal[0, 1]
    SHOW: Literal[0, 1]
    LINE_NUMBER: str | None
    EXTERNAL_CALL_ID: Text


class Show(Shape):
    """`telephony.externalCall.show`."""

    path: ClassVar[str] = r"/rest/\d+/\w+/telephony\.externalcall\.show\.json"
    CALL_ID: Text
    USER_ID: int | None


class Finish(Shape):
    """`telephony.externalCall.finish`."""

    path: ClassVar[str] = r"/rest/\d+/\w+/telephony\.externalcall\.finish\.json"
    CALL_ID: Text
    USER_PHONE_INNER: Text
    USER_ID: int | None
    DURATION: int
    STATUS_CODE: Literal[
        "200",
        "304",
        "603",
        "603-S",
        "403",
        "404",
        "486",
        "484",
        "503",
        "480",
        "402",
        "423",
        "OTHER",
    ]
    ADD_TO_CHAT: Literal[0, 1]


BITRIX24 = {
    "incoming-call": Register,
    "outgoing-call": Register,
    "card-for-answer": Show,
    "end": Finish,
}


class _Vtiger(Shape):
    path: ClassVar[str] = r"/modules/PBXManager/callbacks/PBXManager\.php"
    content_type: ClassVar[str] = FORM
    vtigersignature: Text
    callUUID: Text  # noqa: N815  # as Vtiger spells it


class StartApp(_Vtiger):
    """A call that begins to ring."""

    callstatus: Literal["StartApp"]
    callerIdNumber: str  # noqa: N815
    callerIdName: str  # noqa: N815
    channel: Annotated[str, StringConstraints(pattern=r"^SIP/[^/-]+-\d+$")]
    StartTime: Moment


class DialAnswer(_Vtiger):
    """A call that is answered."""

    callstatus: Literal["DialAnswer"]
    callerid1: str
    callerid2: str


class EndCall(_Vtiger):
    """The times of a call."""

    callstatus: Literal["EndCall"]
    starttime: Moment
    endtime: Moment
    duration: Digits
    billableseconds: Digits


class VtigerHangup(_Vtiger):
    """How a call ended. Other causes become the status of the call."""

    callstatus: Literal["Hangup"]
    causetxt: Literal["Normal Clearing", "User busy", "Call Rejected", "no-answer", "failed"]
    HangupCause: str


VTIGER = {
    "incoming-call": StartApp,
    "outgoing-call": StartApp,
    "incoming-answer": DialAnswer,
    "outgoing-answer": DialAnswer,
    "end": EndCall,
    "result": VtigerHangup,
}


class _Zoho(Shape):
    path: ClassVar[str] = "/phonebridge/v3/callnotify"
    content_type: ClassVar[str] = FORM
    headers: ClassVar = {"Authorization": "Zoho-oauthtoken access-token"}
    id: Text
    zohouser: Text | None = None


class _Incoming(_Zoho):
    type: Literal["received"]
    from_number: E164 = Field(alias="from")
    to: Text


class _Outgoing(_Zoho):
    type: Literal["dialed"]
    from_number: Text = Field(alias="from")
    to: E164


class IncomingRinging(_Incoming):
    """incoming-ringing.html, incoming-answered.html."""

    state: Literal["ringing", "answered"]


class IncomingMissed(_Incoming):
    """incoming-missed.html."""

    state: Literal["missed"]
    start_time: Moment


class IncomingEnded(_Incoming):
    """The end of an answered call."""

    state: Literal["ended"]
    start_time: Moment
    duration: Digits


class OutgoingRinging(_Outgoing):
    """An outgoing call that rings, or is answered."""

    state: Literal["ringing", "answered"]


class OutgoingUnattended(_Outgoing):
    """outgoing-unattended.html."""

    state: Literal["busy", "invalid", "blocked", "notavailable", "noanswer", "rejected"]
    start_time: Moment


class OutgoingEnded(_Outgoing):
    """The end of an answered call."""

    state: Literal["ended"]
    start_time: Moment
    duration: Digits


ZOHO = {
    "incoming-call": IncomingRinging,
    "incoming-answer": IncomingRinging,
    "missed-call": IncomingMissed,
    "incoming-end": IncomingEnded,
    "outgoing-call": OutgoingRinging,
    "outgoing-answer": OutgoingRinging,
    "outgoing-unattended": OutgoingUnattended,
    "outgoing-end": OutgoingEnded,
}
